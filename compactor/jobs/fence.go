package jobs

import (
	"context"
	"strconv"

	"github.com/firnlake/firn/catalog"
)

// The fence of a job is a key that is written when the job is claimed, and by
// nobody else while that claim lasts: a heartbeat leaves it alone, the next claim
// writes it anew, and giving the job up or ending it removes it. So a batch of the
// store under the condition that the fence is as the claim left it happens only
// while the claim lasts, whatever the worker that sends it believes.

func (q *Queue) fenceKey(id string) string { return q.prefix + "fence/" + id }

type fenceOf struct{}

// fenced gives a handler's context its claim's condition.
func (q *Queue) fenced(ctx context.Context, j *Job) context.Context {
	return context.WithValue(ctx, fenceOf{}, catalog.Cond{Key: q.fenceKey(j.ID), Version: j.version})
}

// Fence answers the condition that holds as long as the claim does under which ctx
// runs: a handler makes what it decides depend on it, in the same batch. It is empty
// outside a handler.
func Fence(ctx context.Context) []catalog.Cond {
	if c, ok := ctx.Value(fenceOf{}).(catalog.Cond); ok {
		return []catalog.Cond{c}
	}
	return nil
}

// lease writes a job that was claimed, with its fence.
func (q *Queue) lease(ctx context.Context, j *Job) error {
	return q.write(ctx, j, catalog.Op{Key: q.fenceKey(j.ID), Value: strconv.AppendUint(nil, uint64(j.Lease.Token), 10)})
}

// unfence removes the fence of a job that nobody holds any more.
func (q *Queue) unfence(j *Job) []catalog.Op {
	if j.Lease.Token == 0 {
		return nil // it was never claimed
	}
	return []catalog.Op{{Key: q.fenceKey(j.ID), Delete: true}}
}
