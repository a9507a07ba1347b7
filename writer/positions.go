package writer

import (
	"sync"

	"github.com/firnlake/firn/catalog"
)

// positions keeps where channels will stand once the commits under way have
// ended, so that the next micro-batch can be checked before they have. It is a
// forecast: the committer checks each advance again under the table's head.
type positions struct {
	mu sync.Mutex
	at map[string]position
}

type position struct {
	epoch, next uint64
	pending     int
}

func newPositions() *positions { return &positions{at: map[string]position{}} }

// of answers the forecast for a channel, or the state it was read with.
func (p *positions) of(c catalog.Channel) (next uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, ok := p.at[c.Name]; ok && at.epoch == c.Epoch && at.next > c.NextOffset {
		return at.next
	}
	return c.NextOffset
}

func (p *positions) advance(advances []catalog.ChannelAdvance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range advances {
		at := p.at[a.Channel]
		p.at[a.Channel] = position{epoch: a.Epoch, next: a.To, pending: at.pending + 1}
	}
}

// settle forgets the forecast of a commit that has ended, either way.
func (p *positions) settle(advances []catalog.ChannelAdvance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range advances {
		at := p.at[a.Channel]
		if at.pending--; at.pending <= 0 {
			delete(p.at, a.Channel)
			continue
		}
		p.at[a.Channel] = at
	}
}
