package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor/jobs"
)

// A store that cannot be read is no reason to take a job for one that is active.
func TestAStoreThatCannotBeRead(t *testing.T) {
	store := memstore.New()
	q := queue(t, store, nil)
	s := spec()
	have := submit(t, q, s)
	store.InjectRead(func(key string) error {
		if strings.HasSuffix(key, "active/"+have.ID) {
			return errors.New("disk")
		}
		return nil
	})
	none := func([]jobs.Job) catalog.Batch { return catalog.Batch{} }
	if made, err := q.SubmitWith(t.Context(), []jobs.Spec{s}, none); err == nil {
		t.Errorf("%d jobs, and no error", len(made))
	}
	store.InjectRead(nil)
	if made, err := q.SubmitWith(t.Context(), []jobs.Spec{s}, none); err != nil || len(made) != 0 {
		t.Error(made, err)
	}
}

// One record that cannot be read keeps no other job from being listed, claimed or
// submitted, and its own work can be asked for again, though a write on the way fails
// or looks it. The log tells of it once.
func TestARecordThatCannotBeRead(t *testing.T) {
	for name, fault := range map[string]memstore.Fault{
		"":                            {},
		"did not happen":              {Before: errors.New("disk")},
		"happened, and looked failed": {After: errors.New("connection reset")},
	} {
		for how, again := range map[string]func(context.Context, *jobs.Queue, jobs.Spec) (jobs.Job, error){
			"submit": func(ctx context.Context, q *jobs.Queue, s jobs.Spec) (jobs.Job, error) {
				j, _, err := q.Submit(ctx, s)
				return j, err
			},
			"submit with": func(ctx context.Context, q *jobs.Queue, s jobs.Spec) (jobs.Job, error) {
				made, err := q.SubmitWith(ctx, []jobs.Spec{s}, func([]jobs.Job) catalog.Batch { return catalog.Batch{} })
				return append(made, jobs.Job{})[0], err
			},
			"retry": func(ctx context.Context, q *jobs.Queue, _ jobs.Spec) (jobs.Job, error) {
				ended, _, err := q.List(ctx, jobs.Filter{States: []jobs.State{jobs.Cancelled}})
				if err != nil {
					return jobs.Job{}, err
				}
				return q.Retry(ctx, ended[0].ID)
			},
		} {
			t.Run(how+" "+name, func(t *testing.T) {
				store := memstore.New()
				var log bytes.Buffer
				q := queue(t, store, func(c *jobs.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
				s := spec()
				cancelled := submit(t, q, s)
				if _, err := q.Cancel(t.Context(), cancelled.ID); err != nil {
					t.Fatal(err)
				}
				bad, other := submit(t, q, s), submit(t, q, spec())
				key := "job/default/active/" + bad.ID
				if _, err := store.Apply(t.Context(), catalog.Batch{Then: []catalog.Op{{Key: key, Value: []byte("{")}}}); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					active, err := q.Active(t.Context())
					if err != nil || len(active) != 1 || active[0].ID != other.ID {
						t.Fatal(active, err)
					}
				}
				if n := strings.Count(log.String(), key+" cannot be read"); n != 1 {
					t.Errorf("told %d times: %s", n, &log)
				}
				if _, err := q.Get(t.Context(), bad.ID); err == nil || !strings.Contains(err.Error(), "cannot be read") {
					t.Error(err)
				}
				hit := name == ""
				store.InjectApply(func(catalog.Batch) memstore.Fault {
					if hit {
						return memstore.Fault{}
					}
					hit = true
					return fault
				})
				j, err := again(t.Context(), q, s)
				if name != "" {
					if err == nil {
						t.Fatal("a failure went unnoticed")
					}
					j, err = again(t.Context(), q, s)
				}
				if err != nil || j.State != jobs.Queued || j.ID == bad.ID {
					t.Fatal(j, err)
				}
				if all, _, err := q.List(t.Context(), jobs.Filter{States: []jobs.State{jobs.Queued}}); err != nil || len(all) != 2 {
					t.Error(all, err)
				}
			})
		}
	}
}
