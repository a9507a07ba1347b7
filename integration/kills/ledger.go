package kills

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"sync"
)

// event says what a ledger entry records.
type event string

const (
	// sent stands in the ledger before the first byte of a batch leaves.
	sent event = "sent"
	// acked: the server has said that the batch is in a snapshot.
	acked event = "acked"
	// unknown: the sender went away before it had an answer.
	unknown event = "unknown"
	// found: a new sender of the channel has read how an unknown batch ended.
	found event = "found"
)

// entry is one line of the ledger.
type entry struct {
	Event   event  `json:"event"`
	Channel string `json:"channel"`
	// The rows of the channel from From, to but without To.
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
	// Of an acknowledgement.
	Snapshot  int64 `json:"snapshot,omitempty"`
	Sequence  int64 `json:"sequence,omitempty"`
	Duplicate bool  `json:"duplicate,omitempty"`
	Attempts  int   `json:"attempts,omitempty"`
	// Of found: whether the batch is there.
	Applied bool `json:"applied,omitempty"`
}

// ledger is the senders' own record, on disk before they go on. All methods
// may be called from any goroutine.
type ledger struct {
	mu   sync.Mutex
	file *os.File
	// acked rows by channel, as in the file.
	acked map[string]uint64
}

func openLedger(path string) (*ledger, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	return &ledger{file: file, acked: map[string]uint64{}}, nil
}

// write appends an entry and returns when it is on disk.
func (l *ledger) write(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("sync the ledger: %w", err)
	}
	if e.Event == acked || e.Event == found && e.Applied {
		l.acked[e.Channel] = max(l.acked[e.Channel], e.To)
	}
	return nil
}

// acknowledged answers the rows of each channel that were acknowledged so far.
func (l *ledger) acknowledged() map[string]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.acked)
}

func (l *ledger) close() error { return l.file.Close() }

// readLedger reads all entries.
func readLedger(path string) ([]entry, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	defer file.Close()
	var out []entry
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("read the ledger, line %d: %w", len(out)+1, err)
		}
		out = append(out, e)
	}
	return out, lines.Err()
}
