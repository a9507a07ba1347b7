package medallion_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/compactor/medallion"
)

// A commit to a source runs the models behind it, layer after layer, without
// anyone asking.
func TestSourceCommitRunsTheGraph(t *testing.T) {
	h, all := eventHouse(t, 60)
	files := append([]medallion.File(nil), events...)
	for i := range files {
		files[i].Text = strings.Replace(files[i].Text, "---*/", "trigger: { on: source_commit, min_interval: 10ms }\n---*/", 1)
	}
	h.apply(files)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.service.Run(ctx) }()
	h.append("bronze.raw", values(all[:30], 0))
	h.append("bronze.raw", values(all[30:], 30))

	// The commit log tells when gold has seen all of silver.
	for _, err := range h.Catalog.Watch(ctx, "") {
		require.NoError(t, err)
		if h.settled() {
			break
		}
	}
	cancel()
	require.NoError(t, <-done)
	h.checkEvents(all)
}

// settled tells that no model has anything to read.
func (h *house) settled() bool {
	plan, err := h.service.Plan(h.T.Context(), events)
	require.NoError(h.T, err)
	for _, m := range plan.Models {
		if m.PendingRows > 0 {
			return false
		}
	}
	return h.table("gold.sums").CurrentSnapshot() != nil && h.table("gold.who").CurrentSnapshot() != nil
}
