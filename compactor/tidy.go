package compactor

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/rewrite"
)

// tidy is the job of manifests: they are sorted by partition, and delete files that
// apply to nothing go.
func (s *Service) tidy(ctx context.Context, task *jobs.Task, id uuid.UUID) (jobs.Outcome, error) {
	task.Progress("plan", 0, 0)
	var sum rewrite.Tidied
	for try := 0; ; try++ {
		t, err := s.cfg.Catalog.LoadTableID(ctx, id)
		if err != nil {
			return jobs.Outcome{}, err
		}
		done, err := s.worker.Tidy(ctx, t, task.Full)
		sum.Dangling = append(sum.Dangling, done.Dangling...)
		sum.Manifests = done.Manifests
		if errors.Is(err, catalog.ErrCommitConflict) {
			if try < replans {
				continue
			}
			err = nil // writers rewrite its manifests all the time: the next one will do
		}
		if err != nil {
			return jobs.Outcome{}, err
		}
		s.tidiedNow(id, len(sum.Dangling) > 0 || sum.Manifests.Swap != nil)
		return jobs.Outcome{Proof: tidyText(sum)}, nil
	}
}

func tidyText(t rewrite.Tidied) map[string]string {
	out := map[string]string{}
	if n := len(t.Dangling); n > 0 {
		out["deletes"] = fmt.Sprintf("%d delete files removed that applied to no data file", n)
	}
	if m := t.Manifests; m.Swap != nil {
		out["manifests"] = fmt.Sprintf("%d manifests became %d, with the same %d entries; scans of one partition open %d instead of %d, over all partitions",
			len(m.Swap.Replaced), len(m.Swap.By), m.Entries, m.After, m.Before)
	} else if m.WhyNot != "" {
		out["why_not_more"] = m.WhyNot
	}
	return out
}

// tidiedNow remembers that the table's metadata was looked at.
func (s *Service) tidiedNow(id uuid.UUID, changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[id]
	if t == nil {
		return
	}
	t.unreachable = t.unreachable || changed
	if t.health != nil {
		t.tidied = new(t.health.Commits)
	}
}

// sinceTidy is how many commits came since then; the caller holds mu. A service
// that was started anew counts from there.
func (t *tracked) sinceTidy() int64 {
	if t.health == nil {
		return 0
	}
	if t.tidied == nil || *t.tidied > t.health.Commits {
		t.tidied = new(t.health.Commits)
	}
	return t.health.Commits - *t.tidied
}
