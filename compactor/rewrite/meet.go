package rewrite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

// A compaction takes a while, and its table goes on meanwhile. Appends are none
// of its business. An equality delete applies to its outputs as it did to their
// inputs, as these keep the sequence number of the snapshot they were made from.
// Rows that were deleted by position are looked up in the outputs and deleted
// there, in the same commit. An input that is gone, or has rows again that were
// deleted, is another writer's change of the same rows: its group is lost, and
// planned anew, while the others are committed.

// meet looks at what was committed since it last did, carries deletes over, and
// marks the groups that are lost. It says whether there was anything to look at.
func (c *compaction) meet(ctx context.Context, outputs []output) (moved bool, err error) {
	t, err := c.cfg.Catalog.LoadTableID(ctx, c.Table.ID)
	if err != nil {
		return false, err
	}
	if s := t.CurrentSnapshot(); s != nil && s.SnapshotID == c.head.SnapshotID {
		return false, nil
	}
	scan, err := c.cfg.Lake.Plan(ctx, t.Metadata, 0, nil)
	if err != nil {
		return false, fmt.Errorf("look for what changed in %s: %w", c.Table.Ident, err)
	}
	now := make(map[string]lake.File, len(scan.Files))
	for _, f := range scan.Files {
		now[f.Data.FilePath()] = f
	}
	for i := range outputs {
		o := &outputs[i]
		if o.left != nil || o.lost {
			continue
		}
		if err := c.meetGroup(ctx, i, o, now); err != nil {
			if !isLost(err) || ctx.Err() != nil {
				return false, fmt.Errorf("carry deletes over in %s of %s: %w", plan.PartitionText(c.Groups[i].Partition), c.Table.Ident, err)
			}
			o.lost, c.dirty = true, true
			c.cfg.Logger.InfoContext(ctx, "compacted files are thrown away", "table", c.Table.Ident.String(), "partition", plan.PartitionText(c.Groups[i].Partition), "why", err)
		}
	}
	c.head, c.meta = scan, t.Metadata
	return true, nil
}

// errLost: somebody changed the inputs of a group in a way that its outputs cannot follow.
var errLost = errors.New("inputs were changed meanwhile")

func isLost(err error) bool {
	return errors.Is(err, errLost) || errors.Is(err, duck.ErrMemory) || errors.Is(err, lake.ErrUnsupported)
}

// meetGroup follows what happened to the inputs of one group.
func (c *compaction) meetGroup(ctx context.Context, index int, o *output, now map[string]lake.File) error {
	k := &o.carry
	if k.inputs == nil {
		for _, f := range c.Groups[index].Files {
			file := c.files[f.Path]
			k.inputs = append(k.inputs, file)
			k.looked = append(k.looked, positionDeletes(file))
		}
		k.gone, k.out = places{}, places{}
	}
	var changed []int
	var before, after []lake.File
	looked := slices.Clone(k.looked)
	for i, f := range k.inputs {
		at, ok := now[f.Data.FilePath()]
		if !ok {
			return fmt.Errorf("%w: %s is no longer part of the table", errLost, f.Data.FilePath())
		}
		if err := c.followEquality(f, at, o); err != nil {
			return err
		}
		if looked[i] = positionDeletes(at); looked[i] != k.looked[i] {
			changed, before, after = append(changed, i), append(before, f), append(after, at)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	if c.cfg.Pool == nil {
		return fmt.Errorf("%w: rows were deleted, and without DuckDB they cannot be found in the output", errLost)
	}
	fresh, err := c.deletedSince(ctx, k, changed, before, after)
	if err != nil {
		return err
	}
	if len(fresh) == 0 {
		k.looked = looked
		return nil
	}
	to, err := c.translate(ctx, index, o, fresh)
	if err != nil {
		return err
	}
	if err := c.proveCarried(ctx, o, fresh, to); err != nil {
		return err
	}
	// Only now: a look that was broken off is made again.
	k.looked = looked
	k.gone.merge(fresh)
	k.out.merge(to)
	c.dirty = true
	return nil
}

// followEquality checks that the equality deletes of an input were applied to the
// outputs, or apply to them still.
func (c *compaction) followEquality(before, now lake.File, o *output) error {
	applied := map[string]bool{}
	for _, d := range before.Deletes {
		if d.Data.ContentType() == iceberg.EntryContentEqDeletes {
			applied[vectorKey(d)] = true
		}
	}
	for _, d := range now.Deletes {
		if d.Data.ContentType() != iceberg.EntryContentEqDeletes {
			continue
		}
		if key := vectorKey(d); applied[key] {
			delete(applied, key)
			continue
		}
		elsewhere := func(f iceberg.DataFile) bool { return len(d.Data.Partition()) > 0 && f.SpecID() != d.Data.SpecID() }
		if d.Sequence <= c.Scan.Sequence || slices.ContainsFunc(o.files, elsewhere) {
			return fmt.Errorf("%w: equality deletes %s do not apply to what was written", errLost, d.Data.FilePath())
		}
	}
	for key := range applied {
		return fmt.Errorf("%w: %s, of which the deletes were applied, no longer applies to %s", errLost, key, before.Data.FilePath())
	}
	return nil
}

// positionDeletes names the position deletes and vectors of a file.
func positionDeletes(f lake.File) string {
	var keys []string
	for _, d := range f.Deletes {
		if d.Data.ContentType() == iceberg.EntryContentPosDeletes {
			keys = append(keys, vectorKey(d))
		}
	}
	slices.Sort(keys)
	return strings.Join(keys, "\n")
}

// deletedSince answers which rows of the changed inputs were deleted by position
// since the group was planned, and not met before.
func (c *compaction) deletedSince(ctx context.Context, k *carry, changed []int, before, after []lake.File) (places, error) {
	was, err := c.cfg.Lake.Positions(ctx, before)
	if err != nil {
		return nil, err
	}
	defer was.Release()
	is, err := c.cfg.Lake.Positions(ctx, after)
	if err != nil {
		return nil, err
	}
	defer is.Release()
	differ := func(what int, a, b *lake.Relation) string {
		return fmt.Sprintf("SELECT %d::BIGINT AS what, a.i::BIGINT AS i, a.p FROM %s AS a ANTI JOIN %s AS b ON a.i = b.i AND a.p = b.p", what, a.SQL, b.SQL)
	}
	fresh := places{}
	job := duck.Job{Setup: slices.Concat(was.Setup, is.Setup), Read: slices.Concat(was.Paths, is.Paths), SQL: differ(0, is, was) + " UNION ALL " + differ(1, was, is)}
	for row, err := range c.numbers(ctx, job) {
		if err != nil {
			return nil, fmt.Errorf("read deleted positions: %w", err)
		}
		input := changed[row[1]]
		switch f := k.inputs[input]; {
		case row[2] < 0 || row[2] >= f.Data.Count():
			// There is no such row.
		case row[0] == 1:
			return nil, fmt.Errorf("%w: row %d of %s, which was deleted, is there again", errLost, row[2], f.Data.FilePath())
		case !k.gone.has(input, row[2]):
			fresh.add(input, row[2])
		}
	}
	return fresh, nil
}
