package rpc_test

import (
	"testing"

	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// TestFreshnessIsOfTheRows sets a property after a commit: the table has changed,
// its rows are as old as before.
func TestFreshnessIsOfTheRows(t *testing.T) {
	f := serve(t)
	ctx := t.Context()
	made := f.lines(t)
	assert.NotZero(t, made.GetUpdatedAt().AsTime().UnixMilli(), "a table without a snapshot: its creation")
	f.add(t, "Norway", 1000)
	ident := catalog.Ident{Namespace: catalog.Namespace{"ns"}, Name: "lines"}
	tbl, err := f.Catalog.LoadTable(ctx, ident)
	require.NoError(t, err)
	committed := tbl.Metadata.CurrentSnapshot().TimestampMs
	for tbl.Metadata.LastUpdatedMillis() <= committed {
		_, err = f.Catalog.Commit(ctx, catalog.Transaction{Actor: "test", Tables: []catalog.TableChange{{
			Table: tbl.ID, Updates: []table.Update{table.NewSetPropertiesUpdate(map[string]string{"note": "later"})},
		}}})
		require.NoError(t, err)
		tbl, err = f.Catalog.LoadTable(ctx, ident)
		require.NoError(t, err)
	}
	got, err := f.client.GetTable(ctx, req(&firnv1.GetTableRequest{Table: tref("lines")}))
	require.NoError(t, err)
	assert.Equal(t, committed, got.Msg.GetSummary().GetUpdatedAt().AsTime().UnixMilli())
}
