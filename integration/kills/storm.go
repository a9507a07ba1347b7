package kills

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"connectrpc.com/connect"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// aim is when a kill is to strike.
type aim string

const (
	aimIngest  aim = "ingest"     // while batches are under way
	aimPromote aim = "promotion"  // while a promotion runs
	aimCompact aim = "compaction" // while a compaction reads, writes, checks or commits
	aimStart   aim = "start-up"   // before the process is ready
)

// aims answers n aims in random order, with as many of each phase as go.
func aims(rng *rand.Rand, n int) []aim {
	var out []aim
	for len(out) < n {
		out = append(out, aimIngest, aimPromote, aimCompact, aimIngest, aimPromote, aimCompact, aimStart)
	}
	out = out[:n]
	rng.Shuffle(n, func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// strike is one kill and what the process was doing.
type strike struct {
	aim      aim
	inFlight int64
	activity activity
	startup  time.Duration // of the life that it ended; 0 when it was not ready
	tree     bool          // workers were killed in the same moment
}

func (s strike) String() string {
	return fmt.Sprintf("%s: %d requests in flight, promotions %v, compactions %v, start-up %s, workers too %v",
		s.aim, s.inFlight, s.activity.promotions, s.activity.compactions, s.startup.Round(time.Millisecond), s.tree)
}

// storm kills a process again and again while a load goes on. It is used by
// one goroutine.
type storm struct {
	process *process
	load    *load
	rng     *rand.Rand
	crashes *rand.Rand    // of senders, apart from the kills'
	pace    time.Duration // up-time in which most rows may be sent
	strikes []strike

	left map[string]bool // attempts of jobs that the last life left running
}

// life starts the process, checks what it remembers, and kills it at the aim.
func (s *storm) life(ctx context.Context, a aim) error {
	k := strike{aim: a, tree: s.rng.IntN(2) == 0}
	var err error
	if a == aimStart {
		if err := s.process.launch(); err != nil {
			return err
		}
		if err := pause(ctx, time.Duration(s.rng.IntN(900))*time.Millisecond); err != nil {
			return err
		}
	} else if k.startup, err = s.process.start(ctx); err != nil {
		return err
	} else if err := s.await(ctx, &k); err != nil {
		return fmt.Errorf("wait for a moment to kill in %s: %w\n%s", a, err, s.process.tail())
	}
	k.inFlight = s.load.inFlight.Load()
	if err := s.process.kill(k.tree); err != nil {
		return err
	}
	if s.rng.IntN(3) == 0 {
		s.load.crash(s.crashes, 2) // some senders do not live to see it come back
	}
	s.strikes = append(s.strikes, k)
	return nil
}

// await lets the process work until the moment of the kill.
func (s *storm) await(ctx context.Context, k *strike) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	remote := connectTo(s.process.base())
	if err := remember(ctx, remote, s.load); err != nil {
		return err
	}
	open, stop := context.WithCancel(ctx)
	var meanwhile sync.WaitGroup
	meanwhile.Go(func() { s.load.gate.advanceDuring(open, s.pace) })
	meanwhile.Go(func() { s.load.crashDuring(open, s.crashes) })
	defer meanwhile.Wait()
	defer stop()
	o := remote.observe(s.left)
	// Work comes first: without it there is nothing to lose.
	if err := pause(ctx, time.Duration(300+s.rng.IntN(1500))*time.Millisecond); err != nil {
		return err
	}
	for {
		var err error
		if k.activity, s.left, err = s.approach(ctx, o, k.aim); err != nil {
			return err
		}
		hit := map[aim]bool{aimIngest: s.load.inFlight.Load() > 0, aimPromote: len(k.activity.promotions) > 0, aimCompact: k.activity.working()}
		if hit[k.aim] {
			return nil
		}
	}
}

// approach waits until the aim is in sight, a random moment longer, and looks
// once more.
func (s *storm) approach(ctx context.Context, o *observer, a aim) (activity, map[string]bool, error) {
	longest := time.Duration(0)
	var err error
	switch a {
	case aimPromote:
		longest = 600 * time.Millisecond
		_, _, err = o.until(ctx, func(a activity) bool { return len(a.promotions) > 0 })
	case aimCompact:
		longest = 60 * time.Millisecond
		err = s.compaction(ctx, o)
	case aimIngest:
		longest = 30 * time.Millisecond
		_, _, err = o.until(ctx, func(activity) bool { return s.load.inFlight.Load() > 0 })
	}
	if err != nil {
		return activity{}, nil, err
	}
	if err := pause(ctx, time.Duration(s.rng.Int64N(int64(longest)))); err != nil {
		return activity{}, nil, err
	}
	return o.look(ctx)
}

// compaction waits until one is at work, and asks for one until then: the lake
// compacts by itself too, but when it likes.
func (s *storm) compaction(ctx context.Context, o *observer) error {
	for {
		if err := s.askForCompaction(ctx, o); err != nil {
			return err
		}
		round, cancel := context.WithTimeout(ctx, 3*time.Second)
		_, _, err := o.until(round, activity.working)
		expired := round.Err() != nil && ctx.Err() == nil
		cancel()
		if !expired {
			return err
		}
	}
}

// askForCompaction submits a compaction of every table, in random order.
func (s *storm) askForCompaction(ctx context.Context, o *observer) error {
	tables, err := o.tables(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(tables, func(a, b *firnv1.TableSummary) int {
		if tableName(a.GetTable()) < tableName(b.GetTable()) {
			return -1
		}
		return 1
	})
	s.rng.Shuffle(len(tables), func(i, j int) { tables[i], tables[j] = tables[j], tables[i] })
	for _, t := range tables {
		if _, err := o.jobs.SubmitJob(ctx, connect.NewRequest(&firnv1.SubmitJobRequest{Table: t.GetTable(), Kind: firnv1.JobKind_JOB_KIND_COMPACT})); err != nil {
			return fmt.Errorf("submit a compaction of %s: %w", tableName(t.GetTable()), err)
		}
	}
	return nil
}

// remember checks a process that has just started: what was acknowledged
// before is behind the channels' offsets (I1), and these are not ahead of the
// rows in the table (I6). Each is read before the one it is held against, so
// rows that come in meanwhile do no harm.
func remember(ctx context.Context, remote services, l *load) error {
	acked := l.ledger.acknowledged()
	answer, err := remote.ingest.ListChannels(ctx, connect.NewRequest(&firnv1.ListChannelsRequest{Table: bronze}))
	if err != nil {
		return fmt.Errorf("list channels: %w", err)
	}
	offsets := map[string]uint64{}
	for _, c := range answer.Msg.GetChannels() {
		offsets[c.GetChannel()] = c.GetNextOffset()
	}
	table, err := remote.catalog.GetTable(ctx, connect.NewRequest(&firnv1.GetTableRequest{Table: bronze}))
	if err != nil {
		return fmt.Errorf("load %s: %w", tableName(bronze), err)
	}
	rows := map[string]uint64{}
	for _, p := range table.Msg.GetPartitions() {
		for _, v := range p.GetValues() {
			rows[v.GetValue()] += p.GetRows()
		}
	}
	var errs []error
	for _, f := range l.feeds {
		if f.keyed {
			continue
		}
		if offsets[f.channel] < acked[f.channel] {
			errs = append(errs, broken("I1: %s is at offset %d, rows to %d were acknowledged", f.channel, offsets[f.channel], acked[f.channel]))
		}
		if rows[f.contributor] < offsets[f.channel] {
			errs = append(errs, broken("I6: %s is at offset %d, the table has %d of its rows", f.channel, offsets[f.channel], rows[f.contributor]))
		}
	}
	return errors.Join(errs...)
}

// pause waits a while.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
