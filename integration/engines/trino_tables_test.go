package engines_test

import (
	"context"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// pointer is the metadata file of a table: its name below the location.
func pointer(t *testing.T, lake *engines.Lake, location string) string {
	t.Helper()
	var newest string
	for _, name := range lake.ObjectsAt(t, location, "metadata/") {
		if strings.HasSuffix(name, ".metadata.json") {
			newest = path.Base(name) // listed by their numbers
		}
	}
	require.NotEmpty(t, newest)
	return newest
}

// TestTrinoTables has Trino rename, drop, register and import tables. DROP TABLE
// asks the server to remove the files, which it does when the grace has passed.
func TestTrinoTables(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t, "--compactor.orphan-every", "1s")
	trino := lake.With(t, engines.Trino, engines.TypedKeys(lake))
	trino.Exec(t, "CREATE SCHEMA "+trino.Namespace("c"), "CREATE SCHEMA "+trino.Namespace("c", "deep"))
	procedure := func(name string, arguments ...string) error {
		quoted := make([]string, len(arguments))
		for i, a := range arguments {
			quoted[i] = sqlText(a)
		}
		return trino.TryExec(t.Context(), "CALL "+trino.Catalog+".system."+name+"("+strings.Join(quoted, ", ")+")")
	}
	made := func(t *testing.T, format int, name string) (path []string, location string) {
		t.Helper()
		path = []string{"c", name}
		trino.Exec(t, "CREATE TABLE "+trino.Table(path...)+with(format, ", partitioning = ARRAY['k']")+"AS SELECT id, id % 2 AS k FROM UNNEST(sequence(1, 4)) s(id)",
			"INSERT INTO "+trino.Table(path...)+" VALUES (5, 1)", "ANALYZE "+trino.Table(path...))
		return path, lake.Location(t, path...)
	}
	rows := []string{"1 | 1", "2 | 0", "3 | 1", "4 | 0", "5 | 1"}

	gone := map[int]string{} // locations of dropped tables, removed while the rest goes on
	for _, format := range []int{1, 2, 3} {
		trino.Check(t, engines.Drop, format, func(t *testing.T) {
			path, location := made(t, format, fmt.Sprintf("gone_v%d", format))
			holds(t, trino, path, rows...)
			trino.Exec(t, "DROP TABLE "+trino.Table(path...))
			_, err := trino.TryRead(t.Context(), path...)
			assert.ErrorContains(t, err, "does not exist")
			assert.ErrorContains(t, trino.TryExec(t.Context(), "DROP TABLE "+trino.Table(path...)), "does not exist")
			trino.Exec(t, "DROP TABLE IF EXISTS "+trino.Table(path...))
			gone[format] = location
			assert.NotEmpty(t, lake.ObjectsAt(t, location, ""))
			// The name is free at once.
			trino.Exec(t, "CREATE TABLE "+trino.Table(path...)+" AS SELECT 'another' AS s")
			holds(t, trino, path, `"another"`)
			assert.NotEqual(t, location, lake.Location(t, path...))
		})
	}
	kept := map[int][]string{}
	for _, format := range []int{1, 2, 3} {
		trino.Check(t, engines.Register, format, func(t *testing.T) {
			path, location := made(t, format, fmt.Sprintf("kept_v%d", format))
			before := lake.ObjectsAt(t, location, "")
			assert.ErrorContains(t, procedure("register_table", "c", "twice", location, pointer(t, lake, location)), "already exists", "two tables never share files")
			require.NoError(t, procedure("unregister_table", path[0], path[1]))
			assert.Equal(t, before, lake.ObjectsAt(t, location, ""))
			require.NoError(t, procedure("register_table", "c", path[1]+"_again", location, pointer(t, lake, location)))
			path[1] += "_again"
			holds(t, trino, path, rows...)
			// Dropped with its files, and registered again before they go.
			trino.Exec(t, "DROP TABLE "+trino.Table(path...))
			path[1] += "_again"
			require.NoError(t, procedure("register_table", "c", path[1], location))
			trino.Exec(t, "INSERT INTO "+trino.Table(path...)+" VALUES (6, 0)")
			holds(t, trino, path, append(rows, "6 | 0")...)
			kept[format] = path
			assert.Error(t, procedure("register_table", "c", "outside", "s3://"+lake.Bucket+"/elsewhere"))
			assert.ErrorContains(t, procedure("register_table", "c", path[1], location), "already exists")
		})
		trino.Check(t, engines.Rename, format, func(t *testing.T) {
			path, location := made(t, format, fmt.Sprintf("old_v%d", format))
			renamed := []string{"c", "deep", fmt.Sprintf("new name_v%d", format)}
			trino.Exec(t, "ALTER TABLE "+trino.Table(path...)+" RENAME TO "+trino.Table(renamed...))
			_, err := trino.TryRead(t.Context(), path...)
			assert.ErrorContains(t, err, "does not exist")
			trino.Exec(t, "INSERT INTO "+trino.Table(renamed...)+" VALUES (6, 0)")
			holds(t, trino, renamed, append(rows, "6 | 0")...)
			assert.Equal(t, location, lake.Location(t, renamed...))
			assert.ErrorContains(t, trino.TryExec(t.Context(), "ALTER TABLE "+trino.Table(renamed...)+" RENAME TO "+trino.Table(kept[format]...)), "already exists")
			assert.ErrorContains(t, trino.TryExec(t.Context(), "ALTER TABLE "+trino.Table(renamed...)+" RENAME TO "+trino.Table("absent", "t")), "absent")
		})
	}
	served := lake.With(t, engines.Trino, map[string]string{"iceberg.add-files-procedure.enabled": "true"})
	for _, format := range []int{1, 2} {
		trino.Check(t, engines.AddFiles, format, func(t *testing.T) {
			path := []string{"c", fmt.Sprintf("import_v%d", format)}
			table := trino.Table(path...)
			trino.Exec(t, "CREATE TABLE "+table+" (id BIGINT, s VARCHAR)"+with(format, ""), "INSERT INTO "+table+" VALUES (1, 'Trino')")
			imported(t, lake, path)
			// With the keys that the catalog serves.
			served.Exec(t, "ALTER TABLE "+served.Table(path...)+" EXECUTE add_files(location => "+sqlText(lake.Location(t, path...)+"import")+", format => 'PARQUET')")
			reads(t, trino, path, `1 | "Trino"`, `2 | "found"`, `3 | null`)
			assert.ErrorContains(t, trino.TryExec(t.Context(), "ALTER TABLE "+table+" EXECUTE add_files(location => "+sqlText(lake.Location(t, kept[format]...)+"data")+", format => 'PARQUET', recursive_directory => 'true')"), "Failed to add files")
			out, err := lake.CLI(t.Context(), t, "compact", "c."+path[1])
			assert.NoError(t, err, out)
			reads(t, trino, path, `1 | "Trino"`, `2 | "found"`, `3 | null`)
		})
	}
	trino.Exec(t, "CREATE TABLE "+trino.Table("c", "import_v3")+" (id BIGINT, s VARCHAR)"+with(3, ""))
	imported(t, lake, []string{"c", "import_v3"})
	trino.Cannot(t, engines.AddFiles, 3, "Trino's add_files refuses format v3", "not supported for Iceberg table format version > 2", func(ctx context.Context) error {
		return trino.TryExec(ctx, "ALTER TABLE "+trino.Table("c", "import_v3")+" EXECUTE add_files(location => "+sqlText(lake.Location(t, "c", "import_v3")+"import")+", format => 'PARQUET')")
	})
	refused := trino.TryExec(t.Context(), "CREATE CATALOG refused USING iceberg WITH (\"iceberg.catalog.type\" = 'rest', \"iceberg.rest-catalog.uri\" = "+sqlText(lake.HTTP)+
		", \"iceberg.rest-catalog.vended-credentials-enabled\" = 'true', \"iceberg.register-table-procedure.enabled\" = 'true', \"fs.s3.enabled\" = 'true', \"s3.region\" = "+sqlText(lake.Region)+")")
	assert.ErrorContains(t, refused, "`register_table` procedure with vended credentials is currently not supported", "make the typed keys go")
	for format, location := range gone {
		trino.Check(t, engines.Purge, format, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			for tick := time.NewTicker(time.Second); len(lake.ObjectsAt(t, location, "")) > 0; {
				select {
				case <-tick.C:
				case <-ctx.Done():
					t.Fatalf("the files of a dropped table stay: %q", lake.ObjectsAt(t, location, ""))
				}
			}
			holds(t, trino, kept[format], append(rows, "6 | 0")...)
		})
	}
}

// imported writes a Parquet file into a folder of the table that no snapshot names.
func imported(t *testing.T, lake *engines.Lake, path []string) {
	t.Helper()
	iceberg := lake.On(t, engines.PyIceberg)
	iceberg.Exec(t, `
import pyarrow.parquet
table = `+iceberg.Catalog+`.load_table(`+iceberg.Table(path...)+`)
with table.io.new_output(table.location() + "/import/some file.parquet").create() as stream:
    pyarrow.parquet.write_table(pa.table({"id": pa.array([2, 3], pa.int64()), "s": ["found", None]}), stream)`)
}
