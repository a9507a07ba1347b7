package rpc_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/ddl"
	"github.com/firnlake/firn/catalog/rest/resttest"
	"github.com/firnlake/firn/catalog/rpc"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// BenchmarkListTables lists a thousand tables, the page's first screen.
func BenchmarkListTables(b *testing.B) {
	f := resttest.New(b)
	ctx := context.Background()
	require.NoError(b, f.Catalog.CreateNamespace(ctx, catalog.Namespace{"ns"}, nil))
	schema, err := ddl.Schema([]ddl.Column{{Name: "id", Type: "long"}, {Name: "data", Type: "string"}})
	require.NoError(b, err)
	for i := range 1000 {
		_, err := f.Catalog.CreateTable(ctx, catalog.NewTable{Ident: catalog.Ident{Namespace: catalog.Namespace{"ns"}, Name: fmt.Sprint("t", i)}, Schema: schema})
		require.NoError(b, err)
	}
	s, err := rpc.New(rpc.Config{Catalog: f.Catalog, Files: files(b, f)})
	require.NoError(b, err)
	for b.Loop() {
		got, err := s.ListTables(ctx, req(&firnv1.ListTablesRequest{}))
		if err != nil || len(got.Msg.GetTables()) != 1000 {
			b.Fatalf("%d tables: %v", len(got.Msg.GetTables()), err)
		}
	}
}
