package kills

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
	"github.com/firnlake/firn/writer/client"
)

// errCrashed ends a sender in the middle of what it does, as if its machine
// had gone.
var errCrashed = errors.New("the sender crashed")

// brokenError says that the server broke a promise to a sender.
type brokenError struct{ text string }

func (e *brokenError) Error() string { return e.text }

func broken(format string, args ...any) error {
	return &brokenError{fmt.Sprintf(format, args...)}
}

// load sends all feeds, each through its channel, for as long as it takes:
// whoever is down comes back. Its fields are fixed before run.
type load struct {
	feeds  []*feed
	ledger *ledger
	ingest firnv1connect.IngestServiceClient
	gate   *gate

	inFlight atomic.Int64 // requests sent and not yet answered
	retries  atomic.Int64
	crashes  atomic.Int64
	lost     atomic.Int64 // answers

	mu sync.Mutex
	// flying are the senders that wait for an answer, and what crashes them.
	flying map[*sender]context.CancelCauseFunc
}

func newLoad(feeds []*feed, l *ledger, base string) *load {
	out := &load{feeds: feeds, ledger: l, gate: newGate(), flying: map[*sender]context.CancelCauseFunc{}}
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext, MaxIdleConnsPerHost: 64}
	out.ingest = firnv1connect.NewIngestServiceClient(&http.Client{Transport: &lossy{transport, out}}, base)
	return out
}

// lossy loses about one answer in twenty after the server has given it: what
// happened looks failed. A kill in that moment is rare.
type lossy struct {
	http.RoundTripper
	load *load
}

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	l.load.inFlight.Add(1)
	defer l.load.inFlight.Add(-1)
	answer, err := l.RoundTripper.RoundTrip(r)
	if err != nil || rand.IntN(20) != 0 {
		return answer, err
	}
	answer.Body.Close()
	l.load.lost.Add(1)
	return nil, errors.New("the answer was lost on its way")
}

// run returns when every row is acknowledged, or with the first error.
func (l *load) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, f := range l.feeds {
		group.Go(func() error {
			s := &sender{load: l, feed: f}
			for {
				err := l.life(ctx, s)
				if errors.Is(err, errCrashed) && ctx.Err() == nil {
					l.crashes.Add(1)
					continue
				}
				if err != nil {
					return fmt.Errorf("sender of %s: %w", f.channel, err)
				}
				return nil
			}
		})
	}
	return group.Wait()
}

// life is one sender's life, from its start to its crash or the last row.
func (l *load) life(ctx context.Context, s *sender) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.cancel = cancel
	err := s.run(ctx)
	if _, broken := errors.AsType[*brokenError](err); broken {
		return err
	}
	if err != nil && errors.Is(context.Cause(ctx), errCrashed) {
		return errors.Join(errCrashed, s.lost())
	}
	return err
}

// crash ends about one in n of the senders that wait for an answer. A keyed
// one cannot go on after a crash: its keys are gone.
func (l *load) crash(rng *rand.Rand, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, cancel := range l.flying {
		if !s.feed.keyed && rng.IntN(n) == 0 {
			cancel(errCrashed)
		}
	}
}

// crashDuring crashes senders now and then until ctx ends, while the server
// lives: it may still commit what nobody waits for.
func (l *load) crashDuring(ctx context.Context, rng *rand.Rand) {
	for pause(ctx, time.Duration(50+rng.IntN(250))*time.Millisecond) == nil {
		l.crash(rng, 25)
	}
}

// sender is the state that survives a sender's crash: what stands in its
// ledger. It is used by one goroutine.
type sender struct {
	load *load
	feed *feed
	// next is the first row that is not acknowledged; pending is the end of
	// the batch at next that was sent, or 0.
	next, pending uint64
	cancel        context.CancelCauseFunc // of this life
}

func (s *sender) run(ctx context.Context) error {
	channel, table := s.feed.channel, bronze
	if s.feed.keyed {
		channel, table = "", keyed
	}
	c, err := client.Open(ctx, client.Config{
		Ingest: s.load.ingest, Channel: channel, Table: table, Patience: 5 * time.Minute, AttemptTimeout: 20 * time.Second, MaxWait: 300 * time.Millisecond,
		OnRetry: func(client.Retry) { s.load.retries.Add(1) },
	})
	if err != nil {
		return err
	}
	if err := s.resume(c.NextOffset()); err != nil {
		return err
	}
	n := uint64(len(s.feed.positions))
	for s.next < n {
		to, ok := s.feed.batchAt(s.next)
		if !ok {
			return broken("offset %d is in the middle of a batch", s.next)
		}
		if err := s.load.gate.wait(ctx, float64(s.next)/float64(n)); err != nil {
			return err
		}
		if err := s.send(ctx, c, to); err != nil {
			return err
		}
	}
	return nil
}

// resume compares where the server says the channel is with the ledger: every
// acknowledged row is behind it, and an unknown batch is there whole or not at
// all.
func (s *sender) resume(offset uint64) error {
	switch {
	case offset == s.next:
	case s.pending != 0 && offset == s.pending:
	default:
		return broken("the channel is at offset %d; rows to %d were acknowledged, rows to %d were sent", offset, s.next, s.pending)
	}
	if s.pending == 0 {
		return nil
	}
	e := entry{Event: found, Channel: s.feed.channel, From: s.next, To: s.pending, Applied: offset == s.pending}
	s.next, s.pending = offset, 0
	return s.load.ledger.write(e)
}

func (s *sender) send(ctx context.Context, c *client.Client, to uint64) error {
	e := entry{Event: sent, Channel: s.feed.channel, From: s.next, To: to}
	if err := s.load.ledger.write(e); err != nil {
		return err
	}
	s.pending = to
	ack, err := s.fly(ctx, c, to)
	if err != nil {
		return err
	}
	if ack.NextOffset != to {
		return broken("rows to %d were sent, the answer says %d", to, ack.NextOffset)
	}
	e.Event, e.Snapshot, e.Sequence, e.Duplicate, e.Attempts = acked, ack.SnapshotID, ack.SequenceNumber, ack.Duplicate, ack.Attempts
	s.next, s.pending = to, 0
	return s.load.ledger.write(e)
}

// fly sends the rows and waits for the answer.
func (s *sender) fly(ctx context.Context, c *client.Client, to uint64) (client.Ack, error) {
	s.load.mu.Lock()
	s.load.flying[s] = s.cancel
	s.load.mu.Unlock()
	defer func() {
		s.load.mu.Lock()
		delete(s.load.flying, s)
		s.load.mu.Unlock()
	}()
	if s.feed.keyed {
		return c.SendLines(ctx, s.feed.lines(s.next, to), "")
	}
	rows := s.feed.rows.NewSlice(int64(s.next), int64(to))
	defer rows.Release()
	return c.SendArrow(ctx, rows, fmt.Sprint(to))
}

// lost records the batch that the crashed sender does not know the outcome of.
func (s *sender) lost() error {
	if s.pending == 0 {
		return nil
	}
	return s.load.ledger.write(entry{Event: unknown, Channel: s.feed.channel, From: s.next, To: s.pending})
}

// The tables that are fed.
var (
	bronze = &firnv1.TableRef{Namespace: []string{"bronze"}, Name: "invoice_lines_raw"}
	keyed  = &firnv1.TableRef{Namespace: []string{"bronze"}, Name: "keyed"}
)

// gate holds senders back, so that rows keep coming for as long as kills do:
// each may send only while the part it has sent is below the gate's.
type gate struct {
	mu   sync.Mutex
	open float64 // 0 to 1
	wake chan struct{}
}

func newGate() *gate { return &gate{wake: make(chan struct{})} }

// wait returns when the gate is open for a part, or ctx ends.
func (g *gate) wait(ctx context.Context, part float64) error {
	for {
		g.mu.Lock()
		open, wake := part <= g.open, g.wake
		g.mu.Unlock()
		if open {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-wake:
		}
	}
}

// advance opens the gate by a part of what is still shut.
func (g *gate) advance(part float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open += (1 - g.open) * min(part, 1)
	close(g.wake)
	g.wake = make(chan struct{})
}

// advanceDuring opens the gate until ctx ends, ever more slowly: it is never
// wide open, so however long a life lasts, there are rows left to send.
func (g *gate) advanceDuring(ctx context.Context, whole time.Duration) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			g.advance(now.Sub(last).Seconds() / whole.Seconds())
			last = now
		}
	}
}
