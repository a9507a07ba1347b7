package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

// plan is one table on its way to a new head: first values only, then files.
type plan struct {
	c       *Catalog
	id      uuid.UUID
	now     time.Time
	rec     tableRecord
	version Version
	created bool
	base    *head          // nil for a table that is being created
	cur     table.Metadata // base with the changes so far; nil before the creation
	dirty   bool           // cur is not base
	line    []link         // the snapshots of cur

	appends []*SnapshotChange // of the group, to be packed into one snapshot

	// snapshot and sequence are the last snapshot that this commit added; 0 for none.
	snapshot, sequence int64

	objects []object                // files to put
	lists   map[string]manifestList // new manifest lists, for the next commit
	raw     map[string][]byte       // new manifests, for the next merge
	events  []Event
	next    *head // the new head, when sealed
}

func (p *plan) ident() Ident { return p.rec.ident() }

// update applies f to the current metadata.
func (p *plan) update(f func(*table.MetadataBuilder) error) error {
	previous := ""
	if p.base != nil && !p.dirty {
		previous = p.base.location // enters the metadata log, once a commit
	}
	b, err := table.MetadataBuilderFromBase(p.cur, previous)
	if err != nil {
		return fmt.Errorf("table %s: %w", p.ident(), err)
	}
	if err := f(b); err != nil {
		return err
	}
	if !b.HasChanges() {
		return nil
	}
	next, err := b.Build()
	if err != nil {
		return fmt.Errorf("%w: table %s: %w", ErrInvalid, p.ident(), err)
	}
	p.cur, p.dirty = next, true
	return nil
}

// change does one table change of a transaction that is alone in its group.
func (p *plan) change(ctx context.Context, r *request, ch *TableChange) error {
	for _, req := range ch.Requirements {
		if err := req.Validate(p.cur); err != nil {
			return &RequirementError{Ident: p.ident(), Reason: reason(err)}
		}
		if req.GetType() == "assert-create" && !p.created {
			return &RequirementError{Ident: p.ident(), Reason: "the table already exists"}
		}
	}
	if p.created {
		if err := p.create(ch); err != nil {
			return err
		}
	}
	if len(ch.Updates) > 0 {
		if err := p.applyUpdates(ctx, r, ch.Updates); err != nil {
			return err
		}
	}
	if ch.Snapshot != nil {
		if err := p.checkAdded(ch.Snapshot); err != nil {
			return err
		}
		return p.addSnapshot(ctx, ch.Snapshot, []*request{r})
	}
	return p.expireIfMany()
}

func reason(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "Requirement failed: "), "requirement failed: ")
}

// create makes the first metadata. Without a schema the updates make all of it.
func (p *plan) create(ch *TableChange) error {
	p.events = append(p.events, Event{Kind: EventCreateTable, Table: p.id, Ident: p.ident(), At: p.now})
	if ch.Create.Schema != nil {
		meta, err := p.c.newMetadata(*ch.Create, p.id)
		p.cur, p.dirty = meta, true
		return err
	}
	version := table.DefaultFormatVersion
	located := false
	for _, u := range ch.Updates {
		switch u.Action() {
		case table.UpdateUpgradeFormatVersion:
			v, err := wire[struct {
				FormatVersion int `json:"format-version"`
			}](u)
			if err != nil {
				return fmt.Errorf("%w: %s: %w", ErrInvalid, u.Action(), err)
			}
			version = v.FormatVersion
		case table.UpdateSetLocation:
			located = true
		}
	}
	b, err := table.NewMetadataBuilder(version)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := b.SetUUID(p.id); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if !located {
		if err := b.SetLoc(p.c.location(p.id)); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	// All but snapshots and refs make the table; what is left is applied to it as to any other.
	var rest []table.Update
	for _, u := range ch.Updates {
		switch u.Action() {
		case table.UpdateAddSnapshot, table.UpdateSetSnapshotRef, table.UpdateSetStatistics, table.UpdateSetPartitionStatistics:
			rest = append(rest, u)
			continue
		case table.UpdateUpgradeFormatVersion:
			continue
		}
		if err := u.Apply(b); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrInvalid, u.Action(), err)
		}
	}
	meta, err := b.Build()
	if err != nil {
		return fmt.Errorf("%w: create table %s: %w", ErrInvalid, p.ident(), err)
	}
	want := p.c.location(p.id)
	if strings.TrimSuffix(meta.Location(), "/") != want {
		return fmt.Errorf("%w: table location %q: the server chooses %s", ErrInvalid, clip(meta.Location()), want)
	}
	if err := checkColumns(meta.Schemas()); err != nil {
		return err
	}
	if err := p.c.checkProperties(meta.Properties(), want); err != nil {
		return err
	}
	p.cur, p.dirty = meta, true
	ch.Updates = rest
	return nil
}

// expireIfMany forgets the oldest snapshots beyond the table's bound, after a
// change that added one without the committer's help.
func (p *plan) expireIfMany() error {
	if limit := p.c.maxSnapshots(p.cur); p.snapshot == 0 || limit <= 0 || len(p.line) <= limit {
		return nil
	}
	return p.update(func(b *table.MetadataBuilder) error { return p.forget(b, maps.Collect(p.cur.Refs())) })
}

// forget takes the oldest snapshots beyond the table's bound away. refs are those of b.
func (p *plan) forget(b *table.MetadataBuilder, refs map[string]table.SnapshotRef) error {
	ids := expired(p.line, refs, p.c.maxSnapshots(p.cur))
	if len(ids) == 0 {
		return nil
	}
	gone := make(map[int64]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	p.line = slices.DeleteFunc(slices.Clone(p.line), func(at link) bool { return gone[at.id] })
	return b.RemoveSnapshots(ids, false)
}

// seal encodes the new metadata.
func (p *plan) seal() error {
	if !p.dirty {
		return nil
	}
	next, file, err := p.c.metadataObject(p.cur, p.line, p.base)
	if err != nil {
		return err
	}
	p.next = next
	p.rec.Metadata = next.location
	p.objects = append(p.objects, file)
	if p.snapshot == 0 && !p.created {
		p.events = append(p.events, Event{Kind: EventMetadata, Table: p.id, Ident: p.ident(), At: p.now})
	}
	if main := p.cur.SnapshotByName(table.MainBranch); main != nil {
		for i := range p.events {
			p.events[i].Head = main.SnapshotID
		}
	}
	return nil
}

// remember caches what the next commit needs, once the commit is a fact.
func (p *plan) remember() {
	if p.next == nil {
		return
	}
	if p.base != nil {
		p.c.cache.drop("meta:" + p.base.location)
	}
	p.c.keepHead(p.next)
	for location, l := range p.lists {
		p.c.cache.put("list:"+location, l, 512*len(l)+256)
	}
	for location, b := range p.raw {
		p.c.cache.put("raw:"+location, b, len(b)+128)
	}
}
