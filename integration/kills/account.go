package kills

import "fmt"

// state of a batch in the ledger, in the order in which it is learnt.
const (
	stateSent    = iota + 1 // no answer, or the sender went away
	stateAbsent             // a new sender was told that it is not there
	statePresent            // acknowledged, or a new sender was told that it is there
)

// batch is what the ledger says of one batch.
type batch struct {
	positions []int64
	state     int
	// Of the acknowledgement; 0 when the batch was only found. The answer to a
	// repetition names the snapshot only.
	snapshot, sequence int64
}

// account is the ledger, read back and joined with the source.
type account struct {
	rows    int64
	batches []*batch

	Sent, Acked, Unknown, Duplicates, Retried int
	FoundPresent, FoundAbsent                 int
	// Rows that are known to be there.
	Rows int64
}

// reckon reads the ledger's entries about a source, in their order.
func reckon(s *source, entries []entry) (*account, error) {
	a := &account{rows: s.rows}
	byChannel := map[string]*feed{}
	for _, f := range s.feeds {
		byChannel[f.channel] = f
		for _, p := range f.positions {
			a.rows = max(a.rows, p+1)
		}
	}
	type span struct {
		channel  string
		from, to uint64
	}
	known := map[span]*batch{}
	for i, e := range entries {
		f, key := byChannel[e.Channel], span{e.Channel, e.From, e.To}
		if f == nil {
			continue
		}
		if e.To > uint64(len(f.positions)) || e.From >= e.To {
			return nil, fmt.Errorf("ledger entry %d: no such batch in the source: %+v", i, e)
		}
		b := known[key]
		if b == nil {
			if e.Event != sent {
				return nil, fmt.Errorf("ledger entry %d: %s before it was sent: %+v", i, e.Event, e)
			}
			b = &batch{positions: f.positions[e.From:e.To], state: stateSent}
			known[key] = b
			a.batches = append(a.batches, b)
		}
		switch e.Event {
		case sent:
			a.Sent++
			if b.state != statePresent {
				b.state = stateSent
			}
		case acked:
			a.Acked++
			b.state, b.snapshot, b.sequence = statePresent, e.Snapshot, e.Sequence
			if e.Duplicate {
				a.Duplicates++
			}
			if e.Attempts > 1 {
				a.Retried++
			}
		case unknown:
			a.Unknown++
		case found:
			if b.state = stateAbsent; e.Applied {
				b.state = statePresent
				a.FoundPresent++
			} else {
				a.FoundAbsent++
			}
		}
	}
	for _, b := range a.batches {
		if b.state == statePresent {
			a.Rows += int64(len(b.positions))
		}
	}
	return a, nil
}

// settle gives batches whose acknowledgement names the snapshot only its
// sequence number, where the snapshot is retained; and checks the others'.
func (a *account) settle(snapshots []snapshot) (problems []string) {
	sequence := map[int64]int64{}
	for _, s := range snapshots {
		sequence[s.id] = s.sequence
	}
	for _, b := range a.batches {
		switch has, retained := sequence[b.snapshot]; {
		case !retained:
		case b.sequence == 0:
			b.sequence = has
		case b.sequence != has:
			problems = append(problems, fmt.Sprintf("I1: an answer said that snapshot %d has sequence number %d, it has %d", b.snapshot, b.sequence, has))
		}
	}
	return problems
}

// compare holds snapshots, in their order, against the ledger:
//
//   - I1: an acknowledged row is in the snapshot of its acknowledgement and in
//     every later one, and what was found present is in the last;
//   - I2: no row is there twice, a batch is there whole or not at all, and
//     nothing is there that was never sent.
//
// It answers what does not hold, at most a few lines of each kind.
func (a *account) compare(snapshots []snapshot) []string {
	var out []string
	count := map[string]int{}
	problem := func(kind, format string, args ...any) {
		if count[kind]++; count[kind] <= 3 {
			out = append(out, kind+": "+fmt.Sprintf(format, args...))
		}
	}
	times := make([]uint8, a.rows)
	for i, s := range snapshots {
		clear(times)
		var total int64
		for _, f := range s.files {
			for _, p := range f.positions {
				if p < 0 || p >= a.rows {
					problem("I2", "snapshot %d has row %d, which the source has not", s.id, p)
					continue
				}
				total++
				if times[p]++; times[p] == 2 {
					problem("I2", "snapshot %d has row %d twice", s.id, p)
				}
			}
		}
		for _, b := range a.batches {
			var present int64
			for _, p := range b.positions {
				if times[p] > 0 {
					present++
					total -= int64(times[p])
				}
			}
			last := i == len(snapshots)-1
			must := b.state == statePresent && (b.sequence != 0 && b.sequence <= s.sequence || last)
			switch {
			case must && present < int64(len(b.positions)):
				problem("I1", "snapshot %d (sequence number %d) has %d of %d acknowledged rows from row %d on, acknowledged at %d",
					s.id, s.sequence, present, len(b.positions), b.positions[0], b.sequence)
			case present != 0 && present != int64(len(b.positions)):
				problem("I2", "snapshot %d has a part of a batch: %d of %d rows", s.id, present, len(b.positions))
			case present != 0 && b.state == stateAbsent:
				problem("I2", "snapshot %d has a batch that its sender was told is absent, from row %d on", s.id, b.positions[0])
			}
		}
		if total != 0 {
			problem("I2", "snapshot %d has %d rows that were never sent", s.id, total)
		}
	}
	if len(snapshots) == 0 && len(a.batches) > 0 {
		problem("I1", "there is no snapshot")
	}
	return out
}
