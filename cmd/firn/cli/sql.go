package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/firnlake/firn/cmd/firn/sqlstream"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

func (a *app) sqlCommands() []*cobra.Command {
	var command, file, at, namespace string
	var rows uint64
	var explain bool
	cmd := &cobra.Command{
		Use: "sql", Short: "Query tables: -c SQL, -f FILE, or a prompt", Args: cobra.NoArgs,
		Example: `firn sql -c "SELECT country, count(*) FROM silver.invoice_lines GROUP BY ALL"` + "\n" + `firn sql --at silver.invoice_lines=4512839012 -c "SELECT count(*) FROM silver.invoice_lines"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			pins, err := parsePins(at)
			if err != nil {
				return err
			}
			q := statement{max: rows, explain: explain, pins: pins}
			if namespace != "" {
				q.namespace = strings.Split(namespace, ".")
			}
			switch {
			case command != "":
				q.sql = command
				return a.runSQL(cmd.Context(), q)
			case file == "-" || (file == "" && !term.IsTerminal(int(os.Stdin.Fd()))):
				text, err := io.ReadAll(cmd.InOrStdin())
				if err != nil {
					return err
				}
				q.sql = string(text)
				return a.runSQL(cmd.Context(), q)
			case file != "":
				text, err := os.ReadFile(file)
				if err != nil {
					return &Fault{What: "read " + file, Why: err.Error(), Exit: ExitUsage}
				}
				q.sql = string(text)
				return a.runSQL(cmd.Context(), q)
			default:
				return a.prompt(cmd.Context(), q)
			}
		},
	}
	cmd.Flags().StringVarP(&command, "command", "c", "", "statement")
	cmd.Flags().StringVarP(&file, "file", "f", "", "file with a statement (- is stdin)")
	cmd.Flags().StringVar(&at, "at", "", "read TABLE=SNAPSHOT (id, branch, tag or RFC 3339 time); several with commas")
	cmd.Flags().StringVar(&namespace, "namespace", "", "where names of tables without a namespace are looked up")
	cmd.Flags().Uint64Var(&rows, "max-rows", 0, "rows at the most (0: the server's limit)")
	cmd.Flags().BoolVar(&explain, "explain", false, "print tables, files read and pruned, and the plan")
	return []*cobra.Command{cmd}
}

type statement struct {
	sql     string
	max     uint64
	explain bool
	pins    []*firnv1.SnapshotPin
	// namespace of tables that are named without one.
	namespace []string
}

func parsePins(text string) ([]*firnv1.SnapshotPin, error) {
	var pins []*firnv1.SnapshotPin
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		name, at, ok := strings.Cut(part, "=")
		if !ok {
			return nil, usage("--at takes TABLE=SNAPSHOT, not "+part, "firn table snapshots TABLE")
		}
		ref, err := parseTable(name)
		if err != nil {
			return nil, err
		}
		pin := &firnv1.SnapshotPin{Table: ref}
		var id int64
		if _, err := fmt.Sscanf(at, "%d", &id); err == nil && fmt.Sprint(id) == at {
			pin.At = &firnv1.SnapshotPin_SnapshotId{SnapshotId: id}
		} else if when, err := time.Parse(time.RFC3339, at); err == nil {
			pin.At = &firnv1.SnapshotPin_TimestampMs{TimestampMs: when.UnixMilli()}
		} else {
			pin.At = &firnv1.SnapshotPin_Ref{Ref: at}
		}
		pins = append(pins, pin)
	}
	return pins, nil
}

func (a *app) runSQL(ctx context.Context, q statement) error {
	if q.explain {
		return a.explainSQL(ctx, q)
	}
	stream, err := sqlstream.Open(ctx, a.query(), &firnv1.QueryRequest{Sql: q.sql, MaxRows: q.max, Pins: q.pins, Namespace: q.namespace})
	if err != nil {
		return a.remote("query", err)
	}
	defer stream.Close()
	if err := a.printRows(stream); err != nil {
		if _, ok := errors.AsType[*Fault](err); ok {
			return err
		}
		return a.remote("query", err)
	}
	if s := stream.Stats(); s != nil && !a.quiet {
		note := ""
		if s.GetTruncated() {
			note = ", cut (see --max-rows)"
		}
		fmt.Fprintf(a.err, "%s in %d ms%s\n", Counted(s.GetRows(), "row"), s.GetElapsedMs(), note)
	}
	return nil
}

// printRows writes the result: csv, ndjson and json as it arrives; a table when
// its widths are known; yaml and what --jq makes of the rows when all are there.
func (a *app) printRows(stream *sqlstream.Stream) error {
	var sink rowSink
	var whole bytes.Buffer
	switch {
	case a.jq != "":
		sink = &jsonSink{out: &whole, array: true}
	case a.format == "csv":
		sink = &csvSink{w: csv.NewWriter(a.out)}
	case a.format == "ndjson":
		sink = &jsonSink{out: a.out}
	case a.format == "json":
		sink = &jsonSink{out: a.out, array: true}
	case a.format == "yaml":
		sink = &jsonSink{out: &whole, array: true}
	default:
		sink = &gridSink{out: a.out}
	}
	if err := sink.begin(stream.Schema()); err != nil {
		return err
	}
	for stream.Next() {
		if err := sink.batch(stream.Batch()); err != nil {
			return err
		}
	}
	if err := stream.Err(); err != nil {
		return err
	}
	if err := sink.end(); err != nil {
		return err
	}
	switch {
	case a.jq != "":
		return a.filter(whole.Bytes())
	case a.format == "yaml":
		text, err := yaml.JSONToYAML(whole.Bytes())
		if err != nil {
			return fmt.Errorf("turn the rows into yaml: %w", err)
		}
		_, err = a.out.Write(text)
		return err
	}
	return nil
}

func (a *app) explainSQL(ctx context.Context, q statement) error {
	answer, err := a.query().Explain(ctx, connect.NewRequest(&firnv1.ExplainRequest{Sql: q.sql, Pins: q.pins, Namespace: q.namespace}))
	if err != nil {
		return a.remote("explain", err)
	}
	g := grid{header: []string{"table", "snapshot", "files", "pruned", "deletes", "bytes", "rows"}, right: []int{2, 3, 4, 5, 6}}
	for _, t := range answer.Msg.GetTables() {
		g.rows = append(g.rows, []string{TableName(t.GetTable()), fmt.Sprint(t.GetSnapshotId()), Count(t.GetFiles()), Count(t.GetFilesPruned()), Count(t.GetDeleteFiles()), Bytes(t.GetBytes()), Count(t.GetRows())})
	}
	if err := a.print(answer.Msg, g); err != nil || a.format != "table" || a.jq != "" {
		return err
	}
	_, err = fmt.Fprintln(a.out, "\n"+answer.Msg.GetPlan())
	return err
}

// prompt reads statements, each ended by a semicolon, with history and editing.
func (a *app) prompt(ctx context.Context, q statement) error {
	state, err := term.MakeRaw(int(os.Stdin.Fd()))
	if err != nil {
		return fmt.Errorf("open the prompt: %w", err)
	}
	restore := func() { _ = term.Restore(int(os.Stdin.Fd()), state) }
	defer restore()
	console := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{os.Stdin, a.err}, "firn> ")
	fmt.Fprintln(console, "One SELECT, ended by a semicolon; Ctrl-D leaves.")
	var pending []string
	for {
		line, err := console.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		pending = append(pending, line)
		text := strings.TrimSpace(strings.Join(pending, "\n"))
		if text == "" || text == "exit" || text == "quit" {
			if text != "" {
				return nil
			}
			pending = nil
			continue
		}
		if !strings.HasSuffix(text, ";") {
			console.SetPrompt("   -> ")
			continue
		}
		pending = nil
		console.SetPrompt("firn> ")
		restore()
		q.sql = strings.TrimSuffix(text, ";")
		if err := a.runSQL(ctx, q); err != nil {
			Report(a.err, err)
		}
		if state, err = term.MakeRaw(int(os.Stdin.Fd())); err != nil {
			return err
		}
	}
}
