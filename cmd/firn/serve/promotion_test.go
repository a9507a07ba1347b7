package serve

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/firnlake/firn/compactor/medallion"
)

// A promotion tells rows, which are no bytes: not as done of a total.
func TestPromotionTellsRowsInItsStep(t *testing.T) {
	runs := []medallion.Run{{Read: 3 << 20, More: true}, {Read: 5, More: true}, {Read: 0}}
	var steps []string
	out, err := promotion(func(_ context.Context, model string) (medallion.Run, error) {
		if model != "silver.lines" {
			t.Error(model)
		}
		run := runs[0]
		runs = runs[1:]
		return run, nil
	})(t.Context(), "silver.lines", func(step string, done, total int64) {
		steps = append(steps, step)
		if done != 0 || total != 0 {
			t.Errorf("%s: %d of %d would be shown as bytes", step, done, total)
		}
	})
	if err != nil || out.Rows != 3<<20+5 {
		t.Error(out.Rows, err)
	}
	if want := []string{"published 3145728 rows", "published 3145733 rows", "published 3145733 rows"}; !slices.Equal(steps, want) {
		t.Errorf("steps %q", steps)
	}
	failed := errors.New("no")
	_, err = promotion(func(context.Context, string) (medallion.Run, error) { return medallion.Run{}, failed })(t.Context(), "m", func(string, int64, int64) { t.Error("told of nothing") })
	if !errors.Is(err, failed) {
		t.Error(err)
	}
}
