package pyiceberg

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog/connect"
	"github.com/firnlake/firn/catalog/rest/resttest"
)

// fill makes a table of three rows.
const fill = `
import sys
import pyarrow as pa
from pyiceberg.catalog import load_catalog
catalog = load_catalog("firn", type="rest", uri=sys.argv[1])
for levels in (("shop",), ("shop", "eu")):
    catalog.create_namespace(levels)
rows = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "name": ["ann", "bob's", "cleo"]})
for name in (("shop", "people"), ("shop", "eu", "odd 'name\"")):
    catalog.create_table(name, rows.schema).append(rows)
`

func served(t *testing.T) (connect.Target, []string) {
	t.Helper()
	f := resttest.New(t)
	env := environment(t)
	cmd := exec.CommandContext(t.Context(), python(t), "-c", fill, f.URL)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	bucket := f.Bucket.Config()
	return connect.Target{
		Endpoint: f.URL, Warehouse: f.Catalog.Warehouse(), S3Endpoint: "http://" + strings.TrimPrefix(bucket.Endpoint, "http://"),
		AccessKey: bucket.AccessKey, SecretKey: bucket.SecretKey, Namespace: []string{"shop"}, Table: "people",
	}, env
}

// TestPythonSnippets runs the snippets for PyIceberg and polars, unedited.
func TestPythonSnippets(t *testing.T) {
	target, env := served(t)
	for _, engine := range []string{"pyiceberg", "polars"} {
		for _, name := range []string{"people", "odd 'name\""} {
			target.Table, target.Namespace = name, []string{"shop"}
			if name != "people" {
				target.Namespace = []string{"shop", "eu"}
			}
			snippet, err := connect.For(engine, target)
			require.NoError(t, err)
			out := run(t, env, snippet.Text)
			for _, value := range []string{"ann", "bob's", "cleo"} {
				assert.Contains(t, out, value, "%s %s", engine, name)
			}
		}
		target.Table = ""
		snippet, err := connect.For(engine, target)
		require.NoError(t, err)
		assert.Contains(t, run(t, env, snippet.Text), "people", engine)
	}
}

func run(t *testing.T, env []string, program string, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "snippet.py")
	require.NoError(t, os.WriteFile(file, []byte(program), 0o600))
	cmd := exec.CommandContext(t.Context(), python(t), append([]string{file}, args...)...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", program, out)
	return string(out)
}

// duck runs a whole SQL text in DuckDB and prints every row of its last result.
// DuckDB's INSTALL takes an extension that is in its folder already, so the
// wheels' files stand where a download would have put them.
const duck = `
import pathlib, shutil, sys
import duckdb
con = duckdb.connect(config={"threads": 2})
platform = con.sql("PRAGMA platform").fetchone()[0]
folder = pathlib.Path.home() / ".duckdb" / "extensions" / ("v" + duckdb.__version__) / platform
folder.mkdir(parents=True, exist_ok=True)
for name in ("httpfs", "avro", "iceberg"):
    module = __import__("duckdb_extension_" + name)
    [source] = pathlib.Path(list(module.__path__)[0]).rglob(name + ".duckdb_extension")
    shutil.copy(source, folder / source.name)
for row in con.execute(pathlib.Path(sys.argv[1]).read_text()).fetchall():
    print(row)
`

func duckDB(t *testing.T, env []string, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "snippet.sql")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	cmd := exec.CommandContext(t.Context(), python(t), "-c", duck, file)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", text, out)
	return string(out)
}

// TestDuckDBSnippet runs the snippet for DuckDB, unedited, with the Iceberg
// extension of the same release.
func TestDuckDBSnippet(t *testing.T) {
	target, env := served(t)
	for _, table := range [][]string{{"shop", "people"}, {"shop", "eu", "odd 'name\""}} {
		target.Namespace, target.Table = table[:len(table)-1], table[len(table)-1]
		snippet, err := connect.For("duckdb", target)
		require.NoError(t, err)
		out := duckDB(t, env, snippet.Text)
		for _, value := range []string{"(1, 'ann')", `(2, "bob's")`, "(3, 'cleo')"} {
			assert.Contains(t, out, value)
		}
	}
	target.Namespace, target.Table = nil, ""
	snippet, err := connect.For("duckdb", target)
	require.NoError(t, err)
	assert.Contains(t, duckDB(t, env, snippet.Text), "people")
}
