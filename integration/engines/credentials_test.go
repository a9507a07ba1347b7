package engines_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/firnlake/firn/integration/engines"
)

// TestKeysComeFromTheCatalog has each engine write or read a table when nothing
// but the catalog's address is typed; Trino's store address is, because it takes
// none from a catalog.
func TestKeysComeFromTheCatalog(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	iceberg := lake.On(t, engines.PyIceberg)
	iceberg.Exec(t, `
`+iceberg.Catalog+`.create_namespace(("shop",))
rows = pa.table({"id": pa.array([1, 2], pa.int64())})
`+iceberg.Catalog+`.create_table(`+iceberg.Table("shop", "t")+`, rows.schema).append(rows)`)
	want := engines.Rows{Columns: []string{"id"}, Values: [][]string{{"1"}, {"2"}}}
	for _, engine := range engines.All() {
		s := lake.On(t, engine)
		switch engine {
		case engines.Firn:
			continue // has no store of its own to reach
		case engines.Trino:
			s.Check(t, engines.ServedKeys, 0, func(t *testing.T) {
				engines.Same(t, want, s.Read(t, "shop", "t"))
			})
			refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "<Error><Code>AccessDenied</Code><Message>this is another store</Message></Error>", http.StatusForbidden)
			}))
			defer refuses.Close()
			elsewhere := lake.With(t, engine, map[string]string{"s3.endpoint": refuses.URL})
			elsewhere.Cannot(t, engines.ServedStore, 0, "Trino takes keys from the catalog, but endpoint, region and path style only from its catalog file",
				"403", func(ctx context.Context) error {
					_, err := elsewhere.TryRead(ctx, "shop", "t")
					return err
				})
			typed := lake.With(t, engine, engines.TypedKeys(lake))
			engines.Same(t, want, typed.Read(t, "shop", "t"))
		default:
			for _, feature := range []engines.Feature{engines.ServedKeys, engines.ServedStore} {
				s.Check(t, feature, 0, func(t *testing.T) {
					engines.Same(t, want, s.Read(t, "shop", "t"))
				})
			}
		}
	}
}
