package rewrite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/internal/objstore"
)

// ErrBreaker: what is reachable does not add up with what the table's own
// counts say, so what looks unreachable may be live. Nothing is removed.
var ErrBreaker = errors.New("removal was stopped: the files found do not add up with the table's own counts; run a query over the table, and restore what is missing")

const (
	measure     = 1000 // so many files may go in one removal whatever their share
	deleteBatch = 500
	// A live write intent protects files of its prefix for so long after they
	// were written: far longer than any commit takes.
	intentWindow = 10 * time.Minute
)

// Removal is what a removal of orphans found. In a dry run it is what would be
// done; the same code makes both.
type Removal struct {
	Listed      int // objects under the table's prefix
	Reachable   int
	Protected   int      // in flight, or too young
	Quarantined int      // unreachable, waiting out the grace
	Delete      []string // keys, in order
	Bytes       int64
	WhyNot      string
}

// quarantine remembers since when files have been unreachable. It lives in the
// store under orphan/<warehouse>/<table>.
type quarantine struct {
	Since map[string]time.Time `json:"since"`
}

// Deletion is one entry of the log of deletes, which is written before the
// deletes are sent.
type Deletion struct {
	Table uuid.UUID `json:"table"`
	At    time.Time `json:"at"`
	Keys  []string  `json:"keys"`
}

func (w *Worker) orphanKey(table uuid.UUID) string {
	return "orphan/" + w.cfg.Catalog.Warehouse() + "/q/" + table.String()
}

func (w *Worker) deletionLog() string { return "orphan/" + w.cfg.Catalog.Warehouse() + "/log/" }

// Orphans removes the files of one table that nothing reaches: mark, wait out
// the grace in quarantine, check again, delete. Only keys under the table's own
// prefix are ever looked at.
func (w *Worker) Orphans(ctx context.Context, t *catalog.Table, grace time.Duration, dryRun bool, p Progress) (Removal, error) {
	if grace == 0 {
		grace = w.cfg.Grace
	}
	prefix, err := w.cfg.Bucket.Key(t.Location())
	if err != nil {
		return Removal{}, fmt.Errorf("location of %s: %w", t.Ident, err)
	}
	if prefix != w.cfg.Catalog.Warehouse()+"/"+t.ID.String() {
		return Removal{WhyNot: "the table lies at a location that Firn did not choose: nothing is ever deleted there"}, nil
	}
	r := newReach(w.cfg.Bucket)
	mark := func(ctx context.Context) error {
		now, err := w.cfg.Catalog.LoadTableID(ctx, t.ID)
		if err != nil {
			return err
		}
		if err := r.table(ctx, now.MetadataLocation, now.Metadata); err != nil {
			return fmt.Errorf("mark files of %s: %w", t.Ident, err)
		}
		return nil
	}
	return w.remove(ctx, sweep{table: t.ID, prefix: prefix + "/", reach: r, mark: mark, grace: grace, dryRun: dryRun}, p)
}

// sweep is a removal from one prefix.
type sweep struct {
	table  uuid.UUID
	prefix string
	reach  *reach
	// mark adds what is reachable now; it is called before the listing and again
	// before the deletes.
	mark  func(context.Context) error
	grace time.Duration
	// dropped is when the table was dropped; zero while it lives. No commit can
	// reach its files any more, as its pointer is gone: they have been unreachable
	// since, and write intents protect none.
	dropped time.Time
	dryRun  bool
}

// since is when a file that nothing reaches began to be that, and whether it is
// known from more than this look.
func (s sweep) since(info objstore.Info, q quarantine, now time.Time) (time.Time, bool) {
	if !s.dropped.IsZero() {
		if info.Modified.After(s.dropped) {
			return info.Modified, true
		}
		return s.dropped, true
	}
	if first, known := q.Since[info.Key]; known {
		return first, true
	}
	return now, false
}

// remove is the protocol for one prefix.
func (w *Worker) remove(ctx context.Context, s sweep, p Progress) (Removal, error) {
	var out Removal
	now := w.cfg.Now().UTC()
	// Protections are read before the listing: a job or writer that starts
	// later makes files that are too young.
	inFlight, err := w.inFlight(ctx, s)
	if err != nil {
		return out, err
	}
	p.Progress("plan", 0, 0)
	if err := s.mark(ctx); err != nil {
		return out, err
	}
	q, version, err := w.loadQuarantine(ctx, s.table)
	if err != nil {
		return out, err
	}
	since := map[string]time.Time{}
	infos := map[string]objstore.Info{}
	for info, err := range w.cfg.Bucket.List(ctx, s.prefix) {
		if err != nil {
			return out, fmt.Errorf("list %s: %w", s.prefix, err)
		}
		out.Listed++
		switch {
		case s.reach.keys[info.Key]:
			out.Reachable++
		case inFlight(info) || now.Sub(info.Modified) < s.grace:
			out.Protected++
		default:
			first, known := s.since(info, q, now)
			since[info.Key] = first
			if known && now.Sub(first) >= s.grace {
				out.Delete = append(out.Delete, info.Key)
				infos[info.Key] = info
			} else {
				out.Quarantined++
			}
		}
	}
	// A stream of small commits leaves many more dead files than live ones, so
	// a large share is no fault; but it goes in measured steps, each with a
	// mark of its own.
	if most := max(measure, int(w.cfg.MaxShare*float64(out.Listed))); len(out.Delete) > most {
		out.Quarantined += len(out.Delete) - most
		out.Delete = out.Delete[:most]
	}
	// Check again: somebody may have committed one of them meanwhile.
	if len(out.Delete) > 0 {
		if err := s.mark(ctx); err != nil {
			return out, err
		}
		if inFlight, err = w.inFlight(ctx, s); err != nil {
			return out, err
		}
		out.Delete = slices.DeleteFunc(out.Delete, func(key string) bool {
			if s.reach.keys[key] || inFlight(infos[key]) {
				delete(since, key)
				return true
			}
			return false
		})
	}
	for _, key := range out.Delete {
		out.Bytes += infos[key].Size
	}
	if len(out.Delete) == 0 {
		out.WhyNot = fmt.Sprintf("of %d objects %d are reachable, %d in flight or younger than %s, %d unreachable and wait out %s", out.Listed, out.Reachable, out.Protected, s.grace, out.Quarantined, s.grace)
	}
	if s.dryRun {
		return out, nil
	}
	if err := w.delete(ctx, s.table, out.Delete, p); err != nil {
		return out, err
	}
	for _, key := range out.Delete {
		delete(since, key)
	}
	return out, w.saveQuarantine(ctx, s.table, quarantine{since}, version)
}

// delete logs and sends the deletes, batch by batch. A worker whose job was taken
// over cannot log, and so deletes nothing more.
func (w *Worker) delete(ctx context.Context, id uuid.UUID, keys []string, p Progress) error {
	sent := 0
	for batch := range slices.Chunk(keys, deleteBatch) {
		value, err := json.Marshal(Deletion{Table: id, At: w.cfg.Now().UTC(), Keys: batch})
		if err != nil {
			return err
		}
		if _, err := w.cfg.Store.Apply(ctx, catalog.Batch{If: jobs.Fence(ctx), Then: []catalog.Op{{Key: w.deletionLog(), Stamp: true, Value: value}}}); err != nil {
			return fmt.Errorf("log deletes: %w", err)
		}
		if err := w.cfg.Bucket.Delete(ctx, batch...); err != nil {
			return fmt.Errorf("delete orphans: %w", err)
		}
		sent += len(batch)
		p.Progress(fmt.Sprintf("delete %d of %d objects", sent, len(keys)), 0, 0)
	}
	return nil
}

// Deletions answers the log of deletes, oldest first: the check of I9 reads it.
func (w *Worker) Deletions(ctx context.Context) ([]Deletion, error) {
	_, kvs, err := w.cfg.Store.Scan(ctx, catalog.Range{Prefix: w.deletionLog()})
	if err != nil {
		return nil, err
	}
	var out []Deletion
	for _, kv := range kvs {
		var d Deletion
		if err := json.Unmarshal(kv.Value, &d); err != nil {
			return nil, fmt.Errorf("log of deletes: %w", err)
		}
		out = append(out, d)
	}
	return out, nil
}

// inFlight protects what no snapshot names yet but somebody is about to
// commit: objects that this process holds, files of running jobs and, of a table
// that lives, of live write intents.
func (w *Worker) inFlight(ctx context.Context, s sweep) (_ func(objstore.Info) bool, err error) {
	var intents []catalog.Intent
	if s.dropped.IsZero() {
		if intents, err = w.cfg.Catalog.Intents(ctx); err != nil {
			return nil, fmt.Errorf("read write intents: %w", err)
		}
	}
	jobs := func(string) bool { return false }
	if w.cfg.Protected != nil {
		if jobs, err = w.cfg.Protected(ctx); err != nil {
			return nil, fmt.Errorf("read running jobs: %w", err)
		}
	}
	now := w.cfg.Now()
	return func(info objstore.Info) bool {
		if w.cfg.Bucket.Held(info.Key) || jobs(info.Key) {
			return true
		}
		if now.Sub(info.Modified) > intentWindow {
			return false
		}
		name := path.Base(info.Key)
		for _, i := range intents {
			if i.FilePrefix != "" && strings.Contains(name, i.FilePrefix) {
				return true
			}
		}
		return false
	}, nil
}

func (w *Worker) loadQuarantine(ctx context.Context, id uuid.UUID) (quarantine, catalog.Version, error) {
	var q quarantine
	kv, err := w.cfg.Store.Get(ctx, w.orphanKey(id))
	if errors.Is(err, catalog.ErrNotFound) {
		return q, 0, nil
	}
	if err == nil {
		err = json.Unmarshal(kv.Value, &q)
	}
	if err != nil {
		return q, 0, fmt.Errorf("read quarantine: %w", err)
	}
	return q, kv.Version, nil
}

// saveQuarantine loses to another removal of the same table; the next one
// begins with what that wrote.
func (w *Worker) saveQuarantine(ctx context.Context, id uuid.UUID, q quarantine, was catalog.Version) error {
	key := w.orphanKey(id)
	op := catalog.Op{Key: key, Delete: true}
	if len(q.Since) > 0 {
		value, err := json.Marshal(q)
		if err != nil {
			return err
		}
		op = catalog.Op{Key: key, Value: value}
	} else if was == 0 {
		return nil
	}
	_, err := w.cfg.Store.Apply(ctx, catalog.Batch{If: []catalog.Cond{{Key: key, Version: was}}, Then: []catalog.Op{op}})
	if _, lost := errors.AsType[*catalog.ConflictError](err); lost {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write quarantine: %w", err)
	}
	return nil
}
