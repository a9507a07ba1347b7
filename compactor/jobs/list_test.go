package jobs_test

import (
	"strings"
	"testing"

	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor/jobs"
)

// A job that ends between the looks at the active and at the ended ones is listed once.
func TestAJobThatEndsMeanwhileIsListedOnce(t *testing.T) {
	store := memstore.New()
	q := queue(t, store, nil)
	j := submit(t, q, spec())
	store.InjectRead(func(key string) error {
		if strings.HasSuffix(key, "done/") {
			store.InjectRead(nil)
			if _, err := q.Cancel(t.Context(), j.ID); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	all, _, err := q.List(t.Context(), jobs.Filter{})
	if err != nil || len(all) != 1 {
		t.Errorf("%d jobs, %v", len(all), err)
	}
	if got, err := q.Get(t.Context(), j.ID); err != nil || got.State != jobs.Cancelled {
		t.Error("it did not end meanwhile:", got.State, err)
	}
}

func TestListBySchedule(t *testing.T) {
	q := queue(t, memstore.New(), nil)
	for _, s := range []jobs.Spec{{Schedule: "a", Request: "1"}, {Schedule: "a", Request: "2"}, {Schedule: "b", Request: "1"}, {}} {
		s.Kind, s.Key = "compact", s.Schedule+s.Request
		submit(t, q, s)
	}
	for want, f := range map[int]jobs.Filter{4: {}, 2: {Schedule: "a"}, 1: {Schedule: "a", Request: "1"}} {
		if all, counts, err := q.List(t.Context(), f); err != nil || len(all) != want || counts[jobs.Queued] != 4 {
			t.Error(f, len(all), counts, err)
		}
	}
}
