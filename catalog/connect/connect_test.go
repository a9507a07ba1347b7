package connect

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func target() Target {
	return Target{
		Endpoint: "http://127.0.0.1:8181", Warehouse: "default",
		S3Endpoint: "http://127.0.0.1:7070", AccessKey: "firn", SecretKey: "firn-secret",
		Namespace: []string{"bronze"}, Table: "invoice_lines_raw",
	}
}

func TestEveryEngineHasASnippet(t *testing.T) {
	for _, engine := range Engines() {
		s, err := For(engine, target())
		require.NoError(t, err, engine)
		assert.Equal(t, engine, s.Engine)
		assert.Contains(t, []string{"python", "sql", "sh"}, s.Language)
		for _, want := range []string{"http://127.0.0.1:8181", "firn-secret", "invoice_lines_raw", "us-east-1"} {
			assert.Contains(t, s.Text, want, engine)
		}
		assert.NotContains(t, s.Text, "<no value>", engine)
		assert.NotContains(t, s.Text, "{{", engine)
	}
}

func TestWithoutKeysSaysNothingOfKeys(t *testing.T) {
	bare := Target{Endpoint: "https://lake.example", Warehouse: "default", Region: "eu-central-1"}
	for _, engine := range Engines() {
		s, err := For(engine, bare)
		require.NoError(t, err, engine)
		for _, word := range []string{"access-key", "access_key", "KEY_ID", "s3.endpoint", "aws_endpoint"} {
			assert.NotContains(t, s.Text, word, engine)
		}
		assert.Contains(t, s.Text, "https://lake.example", engine)
	}
}

func TestRefusesBadTargets(t *testing.T) {
	for name, change := range map[string]func(*Target){
		"no endpoint":     func(t *Target) { t.Endpoint = "" },
		"endpoint scheme": func(t *Target) { t.Endpoint = "file:///etc" },
		"s3 scheme":       func(t *Target) { t.S3Endpoint = "s3://bucket" },
		"no warehouse":    func(t *Target) { t.Warehouse = "" },
		"no namespace":    func(t *Target) { t.Namespace = nil },
	} {
		bad := target()
		change(&bad)
		_, err := For("duckdb", bad)
		assert.Error(t, err, name)
	}
	_, err := For("oracle", target())
	assert.ErrorContains(t, err, "pyiceberg")
}

// hostile names try to end the literal they stand in, in each language.
var hostile = []string{
	`x'); DROP TABLE t; --`, `x"); import os; os.system("false"); ("`, "x`; DROP TABLE t; --", "x\nimport os", `x\`, `x\'`,
	"x'\nFIRN_PROPERTIES\nrm -rf /\n", "${HOME}$(false)`false`", "{{.SecretKey}}", "x\u2028y",
}

// TestPythonIsData compiles each Python snippet and finds the name as one
// literal of it, and no statement more than the harmless snippet has.
func TestPythonIsData(t *testing.T) {
	python, err := exec.LookPath("python3")
	require.NoError(t, err, "python3 must be on the machine")
	const check = `
import ast, sys
harmless, text, name = sys.argv[1:]
shape = lambda src: [type(n).__name__ for n in ast.walk(ast.parse(src))]
assert shape(harmless) == shape(text), "the name became code"
found = [n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
assert any(name == v or name.replace("` + "`" + `", "` + "``" + `") in v for v in found), found
`
	for _, engine := range []string{"pyiceberg", "polars", "spark"} {
		harmless, err := For(engine, target())
		require.NoError(t, err)
		for _, name := range hostile {
			bad := target()
			bad.Table = name
			s, err := For(engine, bad)
			require.NoError(t, err)
			out, err := exec.Command(python, "-c", check, harmless.Text, s.Text, name).CombinedOutput()
			assert.NoError(t, err, "%s %q: %s", engine, name, out)
		}
	}
}

func TestSQLIsData(t *testing.T) {
	for _, name := range hostile {
		bad := target()
		bad.Table = name
		s, err := For("duckdb", bad)
		require.NoError(t, err)
		assert.Contains(t, s.Text, `"`+strings.ReplaceAll(name, `"`, `""`)+`" LIMIT 10;`)
	}
}

// TestTrinoMatchesNames: Trino finds a name in upper case only when it is told to
// look, at the price of a listing for each statement.
func TestTrinoMatchesNames(t *testing.T) {
	for name, want := range map[string]bool{"orders": false, "Orders": true, "größe": false, "GRÖSSE": true} {
		named := target()
		named.Table = name
		s, err := For("trino", named)
		require.NoError(t, err)
		assert.Equal(t, want, strings.Contains(s.Text, "case-insensitive-name-matching=true"), name)
	}
}

// TestShellIsData runs the shell part with trino replaced by printf.
func TestShellIsData(t *testing.T) {
	for _, name := range hostile {
		bad := target()
		bad.Table, bad.Warehouse = name, name
		s, err := For("trino", bad)
		require.NoError(t, err)
		dir := t.TempDir()
		cmd := exec.Command("sh", "-c", "mkdir -p etc/catalog; trino() { printf '%s' \"$4\"; }\n"+s.Text)
		cmd.Dir = dir
		out, err := cmd.Output()
		require.NoError(t, err, name)
		assert.Equal(t, `SELECT * FROM firn."bronze"."`+strings.ReplaceAll(name, `"`, `""`)+`" LIMIT 10`, string(out))
	}
}
