package cli

import (
	"bytes"
	"encoding/csv"
	"errors"
	"testing"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// rows is a batch with a decimal whose last place is 0, a NULL and a column
// that comes before its neighbour in the alphabet.
func rows(t *testing.T) arrow.RecordBatch {
	t.Helper()
	money := &arrow.Decimal128Type{Precision: 18, Scale: 3}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "Gross", Type: money}, {Name: "country", Type: arrow.BinaryTypes.String, Nullable: true}, {Name: "a", Type: arrow.PrimitiveTypes.Int64},
	}, nil))
	for _, n := range []int64{221509470, -50} {
		b.Field(0).(*array.Decimal128Builder).Append(decimal128.FromI64(n))
	}
	b.Field(1).(*array.StringBuilder).AppendValues([]string{`a "b"`, ""}, []bool{true, false})
	b.Field(2).(*array.Int64Builder).AppendValues([]int64{1, 2}, nil)
	return b.NewRecordBatch()
}

func TestRowsInEachFormat(t *testing.T) {
	for format, want := range map[string]string{
		"table":  "     Gross   country   a\n221509.470   a \"b\"     1\n    -0.050   NULL      2\n",
		"csv":    "Gross,country,a\n221509.470,\"a \"\"b\"\"\",1\n-0.050,,2\n",
		"ndjson": `{"Gross":"221509.470","country":"a \"b\"","a":1}` + "\n" + `{"Gross":"-0.050","country":null,"a":2}` + "\n",
		"json":   "[\n " + `{"Gross":"221509.470","country":"a \"b\"","a":1}` + ",\n " + `{"Gross":"-0.050","country":null,"a":2}` + "\n]\n",
	} {
		var out bytes.Buffer
		sink := map[string]rowSink{
			"table": &gridSink{out: &out}, "csv": &csvSink{w: csv.NewWriter(&out)}, "ndjson": &jsonSink{out: &out}, "json": &jsonSink{out: &out, array: true},
		}[format]
		batch := rows(t)
		require.NoError(t, sink.begin(batch.Schema()))
		require.NoError(t, sink.batch(batch))
		require.NoError(t, sink.end())
		assert.Equal(t, want, out.String(), format)
	}
}

// An error has its code, does not repeat itself, and names the command that
// lists what was not found.
func TestRemoteErrors(t *testing.T) {
	a := &app{server: "http://here"}
	for _, c := range []struct {
		operation string
		code      connect.Code
		message   string
		exit      int
		want      string
	}{
		{"compact b.t", connect.CodeNotFound, "compact b.t: table not found: b.t", ExitNotFound, "error: compact b.t\n  why: table not found: b.t\n  try: firn table ls\n"},
		{"show table b.t", connect.CodeNotFound, "table not found: b.t\nno table has that name\nfirn table ls shows the tables", ExitNotFound, "error: show table b.t\n  why: table not found: b.t; no table has that name\n  try: firn table ls shows the tables\n"},
		{"show job x", connect.CodeNotFound, "no such job: x", ExitNotFound, "error: show job x\n  why: no such job: x\n  try: firn job ls\n"},
		{"put schedule x", connect.CodeInvalidArgument, "invalid: cron \"x\"", ExitUsage, "error: put schedule x\n  why: cron \"x\"\n"},
		{"query", connect.CodeInvalidArgument, "Parser error\nline 1", ExitUsage, "error: query\n  why: Parser error\n       line 1\n"},
		{"list tables", connect.CodeUnavailable, "dial tcp: connection refused", ExitUnavailable, "error: list tables\n  why: no Firn answers at http://here\n  try: firn dev   (or name another with --server URL)\n"},
	} {
		var out bytes.Buffer
		assert.Equal(t, c.exit, Report(&out, a.remote(c.operation, connect.NewError(c.code, errors.New(c.message)))))
		assert.Equal(t, c.want, out.String())
	}
}

// A misspelt word after a group is a fault, never help with exit code 0.
func TestStrictGroups(t *testing.T) {
	root := &cobra.Command{Use: "firn", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Commands(root)...)
	StrictGroups(root)
	for _, args := range [][]string{{"table", "lss"}, {"job", "nope"}, {"schedule", "x"}} {
		root.SetArgs(args)
		var out bytes.Buffer
		assert.Equal(t, ExitUsage, Report(&out, root.Execute()), args)
		assert.Contains(t, out.String(), "unknown command "+args[1]+" for firn "+args[0])
	}
}

// A job that changed nothing says so instead of 0 -> 0.
func TestChange(t *testing.T) {
	assert.Equal(t, "-", change(&firnv1.Job{}, "0", "0"))
	assert.Equal(t, "3 -> 1", change(&firnv1.Job{FilesIn: 3, FilesOut: 1}, "3", "1"))
}

func TestFaultyRows(t *testing.T) {
	got := faultyRows(&firnv1.RowErrors{Total: 3, Errors: []*firnv1.RowError{
		{Row: 0, Column: "amount", Message: `"nope" is not a decimal number`}, {Row: 7, Message: "is not valid JSON"},
	}}, "ignored")
	want := "nothing of this batch was committed: 3 faulty rows\nrow 1, column amount: \"nope\" is not a decimal number\nrow 8: is not valid JSON\nand 1 more"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := faultyRows(&firnv1.RowErrors{}, "the schema does not fit"); got != "the schema does not fit" {
		t.Error(got)
	}
}
