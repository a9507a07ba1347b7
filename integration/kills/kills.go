// Package kills proves that no acknowledged row is lost or repeated when the
// process is killed with -9 at random moments, again and again, in the middle
// of ingestion, promotion and compaction, and started again on the same folder.
//
// What it relies on is its own: senders with a ledger that is on disk before
// they go on, a reader of the lake's files that asks iceberg-go and the bucket
// only, and SQL over the published file. S3=minio keeps the lake's files in MinIO,
// which lives on, instead of the embedded store. FIRN_KILLS sets the number of kills,
// FIRN_SEED repeats the choices of a run (not the timing of the machine).
package kills

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"connectrpc.com/connect"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// verdict is what was found in a lake at rest.
type verdict struct {
	problems                                    []string
	account, keyed                              *account
	tables, snapshots, manifests, files, rows   int
	unreachable, reachable, commits, promotions int
	// bronze is what the source table holds, newest snapshot last.
	bronze []snapshot
	// bronzeFile is the location of one of its data files.
	bronzeFile string
}

// judge reads the ledger and the whole lake, which nothing must change
// meanwhile.
func judge(ctx context.Context, p *process, s, k *source, ledgerPath string) (*verdict, error) {
	v := &verdict{}
	entries, err := readLedger(ledgerPath)
	if err != nil {
		return nil, err
	}
	if v.account, err = reckon(s, entries); err != nil {
		return nil, err
	}
	if v.keyed, err = reckon(k, entries); err != nil {
		return nil, err
	}
	remote := connectTo(p.base())
	if err := v.readTables(ctx, p, remote); err != nil {
		return nil, err
	}
	if err := v.offsets(ctx, remote, s); err != nil {
		return nil, err
	}
	history, commits, runs, err := remote.history(ctx)
	if err != nil {
		return nil, err
	}
	v.problems, v.commits, v.promotions = append(v.problems, history...), commits, runs
	return v, nil
}

// readTables is fsck of every table.
func (v *verdict) readTables(ctx context.Context, p *process, remote services) error {
	tables, err := remote.tables(ctx)
	if err != nil {
		return err
	}
	store, err := openObjects(p.store)
	if err != nil {
		return err
	}
	for _, t := range tables {
		name := tableName(t.GetTable())
		location, err := remote.metadata(ctx, t.GetTable())
		if err != nil {
			return err
		}
		c := &fsck{objects: store, column: map[string]string{tableName(bronze): "row_no", tableName(keyed): "id"}[name]}
		snapshots, meta, err := c.check(ctx, location)
		if err != nil {
			return fmt.Errorf("check %s: %w", name, err)
		}
		for _, problem := range c.problems {
			v.problems = append(v.problems, "I3/I4: "+name+": "+problem)
		}
		present, err := store.list(ctx, meta.Location())
		if err != nil {
			return err
		}
		for _, object := range present {
			if c.reachable[object] {
				v.reachable++
			} else {
				v.unreachable++
			}
		}
		v.tables++
		v.snapshots += len(snapshots)
		v.manifests += len(c.manifests)
		v.files += len(c.files)
		for _, f := range c.files {
			v.rows += int(f.rows)
		}
		switch name {
		case tableName(bronze):
			v.bronze = snapshots
			for path := range c.files {
				v.bronzeFile = max(v.bronzeFile, path)
			}
			v.against(v.account, snapshots)
		case tableName(keyed):
			v.against(v.keyed, snapshots)
		}
	}
	return nil
}

// against holds the snapshots of a table that was fed against the ledger.
func (v *verdict) against(a *account, snapshots []snapshot) {
	v.problems = append(v.problems, a.settle(snapshots)...)
	v.problems = append(v.problems, a.compare(snapshots)...)
}

// offsets is I6 in a lake at rest: each channel is where its contributor's
// rows end.
func (v *verdict) offsets(ctx context.Context, remote services, s *source) error {
	answer, err := remote.ingest.ListChannels(ctx, connect.NewRequest(&firnv1.ListChannelsRequest{Table: bronze}))
	if err != nil {
		return fmt.Errorf("list channels: %w", err)
	}
	for _, f := range s.feeds {
		at := slices.IndexFunc(answer.Msg.GetChannels(), func(c *firnv1.Channel) bool { return c.GetChannel() == f.channel })
		if at < 0 {
			v.problems = append(v.problems, "I6: there is no channel "+f.channel)
			continue
		}
		if next := answer.Msg.GetChannels()[at].GetNextOffset(); next != uint64(len(f.positions)) {
			v.problems = append(v.problems, fmt.Sprintf("I6: %s is at offset %d, %d rows were acknowledged", f.channel, next, len(f.positions)))
		}
	}
	return nil
}

// drain brings a lake whose rows are all in to rest: every model up to date,
// every job ended, every table compacted and expired.
func drain(ctx context.Context, remote services) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	return errors.Join(
		remote.promote(ctx),
		remote.maintain(ctx, firnv1.JobKind_JOB_KIND_COMPACT),
		remote.promote(ctx), // compactions move watermarks
		remote.maintain(ctx, firnv1.JobKind_JOB_KIND_EXPIRE),
		remote.settle(ctx),
	)
}
