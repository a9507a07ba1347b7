package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

func (a *app) tableCommands() []*cobra.Command {
	table := &cobra.Command{Use: "table", Short: "List, show, create and drop tables"}
	table.AddCommand(
		a.tableList(), a.tableShow(), a.tableCreate(), a.tableDrop(), a.tableHealth(),
		a.tableFiles(), a.tablePartitions(), a.tableHot(), a.tableSnapshots(), a.tableConnect(),
	)
	return []*cobra.Command{table}
}

// tableCommand is a command over one table.
func tableCommand(use, short string, run func(cmd *cobra.Command, name string, ref *firnv1.TableRef) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " TABLE", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := parseTable(args[0])
			if err != nil {
				return err
			}
			return run(cmd, args[0], ref)
		},
	}
}

func (a *app) tableList() *cobra.Command {
	return &cobra.Command{
		Use: "ls [NAMESPACE]", Short: "List tables with health, rows and files", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			request := &firnv1.ListTablesRequest{}
			if len(args) == 1 {
				request.Namespace = strings.Split(args[0], ".")
			}
			answer, err := a.catalog().ListTables(cmd.Context(), connect.NewRequest(request))
			if err != nil {
				return a.remote("list tables", err)
			}
			g := grid{header: []string{"table", "health", "rows", "files", "deletes", "bytes", "avg file", "snapshots", "updated"}, right: []int{1, 2, 3, 4, 5, 6, 7}}
			var items []proto.Message
			for _, t := range answer.Msg.GetTables() {
				g.rows = append(g.rows, []string{
					TableName(t.GetTable()), score(t.GetHealth()), Count(t.GetRows()), Count(t.GetDataFiles()), Count(t.GetDeleteFiles()),
					Bytes(t.GetBytes()), average(t), Count(t.GetSnapshots()), ago(t.GetUpdatedAt()),
				})
				items = append(items, t)
			}
			return a.print(answer.Msg, g, items...)
		},
	}
}

func score(h *firnv1.Health) string {
	if h == nil || h.GetScore() < 0 {
		return "-"
	}
	return strconv.Itoa(int(h.GetScore()))
}

func average(t *firnv1.TableSummary) string {
	if t.GetDataFiles() == 0 {
		return "-"
	}
	return Bytes(t.GetBytes() / t.GetDataFiles())
}

func (a *app) getTable(cmd *cobra.Command, name string, ref *firnv1.TableRef) (*firnv1.GetTableResponse, error) {
	answer, err := a.catalog().GetTable(cmd.Context(), connect.NewRequest(&firnv1.GetTableRequest{Table: ref}))
	if err != nil {
		return nil, a.remote("show table "+name, err)
	}
	return answer.Msg, nil
}

func (a *app) tableShow() *cobra.Command {
	return tableCommand("show", "Show a table's columns, layout and properties", func(cmd *cobra.Command, name string, ref *firnv1.TableRef) error {
		t, err := a.getTable(cmd, name, ref)
		if err != nil {
			return err
		}
		s := t.GetSummary()
		g := grid{header: []string{"field", "value"}}
		add := func(field, value string) { g.rows = append(g.rows, []string{field, value}) }
		add("table", name)
		add("uuid", s.GetUuid())
		add("format version", strconv.Itoa(int(s.GetFormatVersion())))
		add("location", s.GetLocation())
		add("rows", Count(s.GetRows()))
		add("files", fmt.Sprintf("%s data, %s delete, %s", Count(s.GetDataFiles()), Count(s.GetDeleteFiles()), Bytes(s.GetBytes())))
		add("snapshot", fmt.Sprintf("%d (of %d), %s", s.GetSnapshotId(), s.GetSnapshots(), ago(s.GetUpdatedAt())))
		var spec []string
		for _, f := range t.GetPartitionBy() {
			spec = append(spec, f.GetName()+" = "+f.GetTransform()+"("+f.GetSource()+")")
		}
		add("partitioned by", cmp.Or(strings.Join(spec, ", "), "-"))
		add("sorted by", cmp.Or(strings.Join(t.GetSortBy(), ", "), "-"))
		for _, c := range t.GetColumns() {
			kind := c.GetType()
			if c.GetRequired() {
				kind += " not null"
			}
			add(fmt.Sprintf("column %d", c.GetId()), c.GetName()+" "+kind)
		}
		for _, key := range slices.Sorted(maps.Keys(s.GetProperties())) {
			add("property", key+" = "+s.GetProperties()[key])
		}
		return a.print(t, g)
	})
}

func (a *app) tableCreate() *cobra.Command {
	var columns, partitionBy, sortBy []string
	var properties map[string]string
	var exists bool
	cmd := tableCommand("create", "Create a table", func(cmd *cobra.Command, name string, ref *firnv1.TableRef) error {
		request := &firnv1.CreateTableRequest{Table: ref, PartitionBy: partitionBy, SortBy: sortBy, Properties: properties, IfNotExists: exists}
		for _, text := range columns {
			fields := strings.SplitN(text, " ", 2)
			if len(fields) != 2 {
				return usage("a column is \"NAME TYPE [not null]\", not "+strconv.Quote(text), `firn table create db.t --column "id long not null" --column "at timestamptz"`)
			}
			kind, required := strings.CutSuffix(strings.TrimSpace(fields[1]), " not null")
			request.Columns = append(request.Columns, &firnv1.Column{Name: fields[0], Type: kind, Required: required})
		}
		if _, err := a.catalog().CreateTable(cmd.Context(), connect.NewRequest(request)); err != nil {
			return a.remote("create table "+name, err)
		}
		cmd.PrintErrln("created " + name)
		return nil
	})
	cmd.Flags().StringArrayVar(&columns, "column", nil, `"NAME TYPE [not null]", Iceberg types; may be repeated`)
	cmd.Flags().StringArrayVar(&partitionBy, "partition-by", nil, `Iceberg transform, as "day(at)"; may be repeated`)
	cmd.Flags().StringArrayVar(&sortBy, "sort-by", nil, "column; may be repeated")
	cmd.Flags().StringToStringVar(&properties, "property", nil, "KEY=VALUE; may be repeated")
	cmd.Flags().BoolVar(&exists, "if-not-exists", false, "an existing table with the same columns is no error")
	_ = cmd.MarkFlagRequired("column")
	return cmd
}

func (a *app) tableDrop() *cobra.Command {
	var purge bool
	cmd := tableCommand("drop", "Drop a table", func(cmd *cobra.Command, name string, ref *firnv1.TableRef) error {
		if _, err := a.catalog().DropTable(cmd.Context(), connect.NewRequest(&firnv1.DropTableRequest{Table: ref, Purge: purge})); err != nil {
			return a.remote("drop table "+name, err)
		}
		cmd.PrintErrln("dropped " + name)
		return nil
	})
	cmd.Flags().BoolVar(&purge, "purge", false, "also remove its files")
	return cmd
}

func (a *app) tableHealth() *cobra.Command {
	return tableCommand("health", "Say how well a table's files fit its policy, and why", func(cmd *cobra.Command, name string, ref *firnv1.TableRef) error {
		t, err := a.getTable(cmd, name, ref)
		if err != nil {
			return err
		}
		h := t.GetSummary().GetHealth()
		g := grid{header: []string{"measure", "value", "why"}}
		g.rows = append(g.rows,
			[]string{"score", score(h) + " of 100", ""},
			[]string{"small files", Count(h.GetSmallFiles()), ""},
			[]string{"average file", Bytes(h.GetAverageFileBytes()), ""},
			[]string{"skew", fmt.Sprintf("%.1f", h.GetSkew()), "largest partition over the median, in bytes"},
		)
		for _, r := range h.GetReasons() {
			why := r.GetMessage()
			if r.GetAction() != "" {
				why += ": firn " + r.GetAction() + " " + name
			}
			g.rows = append(g.rows, []string{r.GetCode(), fmt.Sprintf("-%d", r.GetPoints()), why})
		}
		if h.GetWhyNot() != "" {
			g.rows = append(g.rows, []string{"not compacted", "", h.GetWhyNot()})
		}
		return a.print(h, g)
	})
}

func (a *app) tableFiles() *cobra.Command {
	var snapshot int64
	var limit uint32
	cmd := tableCommand("files", "List the live files of a snapshot", func(cmd *cobra.Command, name string, ref *firnv1.TableRef) error {
		answer, err := a.catalog().ListFiles(cmd.Context(), connect.NewRequest(&firnv1.ListFilesRequest{Table: ref, SnapshotId: snapshot, Limit: limit}))
		if err != nil {
			return a.remote("list files of "+name, err)
		}
		g := grid{header: []string{"content", "partition", "rows", "bytes", "seq", "path"}, right: []int{2, 3, 4}}
		var items []proto.Message
		for _, f := range answer.Msg.GetFiles() {
			g.rows = append(g.rows, []string{f.GetContent(), partition(f.GetPartition()), Count(f.GetRows()), Bytes(f.GetBytes()), strconv.FormatInt(f.GetSequenceNumber(), 10), f.GetPath()})
			items = append(items, f)
		}
		return a.print(answer.Msg, g, items...)
	})
	cmd.Flags().Int64Var(&snapshot, "snapshot", 0, "snapshot id (default: the head)")
	cmd.Flags().Uint32Var(&limit, "limit", 100, "files at the most")
	return cmd
}

func partition(fields []*firnv1.PartitionField) string {
	var parts []string
	for _, f := range fields {
		value := "null"
		if f.Value != nil {
			value = f.GetValue()
		}
		parts = append(parts, f.GetName()+"="+value)
	}
	return strings.Join(parts, "/")
}

func (a *app) tablePartitions() *cobra.Command {
	return tableCommand("partitions", "List partitions, largest first", func(cmd *cobra.Command, name string, ref *firnv1.TableRef) error {
		t, err := a.getTable(cmd, name, ref)
		if err != nil {
			return err
		}
		g := grid{header: []string{"partition", "share", "files", "small", "rows", "bytes"}, right: []int{1, 2, 3, 4, 5}}
		for _, p := range t.GetPartitions() {
			g.rows = append(g.rows, []string{partition(p.GetValues()), fmt.Sprintf("%.1f%%", 100*p.GetShare()), Count(p.GetFiles()), Count(p.GetSmallFiles()), Count(p.GetRows()), Bytes(p.GetBytes())})
		}
		return a.print(t, g)
	})
}

func (a *app) tableSnapshots() *cobra.Command {
	var limit uint32
	cmd := tableCommand("snapshots", "List snapshots, newest first", func(cmd *cobra.Command, name string, ref *firnv1.TableRef) error {
		answer, err := a.catalog().ListSnapshots(cmd.Context(), connect.NewRequest(&firnv1.ListSnapshotsRequest{Table: ref, Limit: limit}))
		if err != nil {
			return a.remote("list snapshots of "+name, err)
		}
		g := grid{header: []string{"snapshot", "seq", "committed", "operation", "+rows", "-rows", "files", "refs"}, right: []int{1, 4, 5, 6}}
		var items []proto.Message
		for _, s := range answer.Msg.GetSnapshots() {
			sum := s.GetSummary()
			g.rows = append(g.rows, []string{
				strconv.FormatInt(s.GetSnapshotId(), 10), strconv.FormatInt(s.GetSequenceNumber(), 10),
				s.GetCommittedAt().AsTime().Format(time.RFC3339), s.GetOperation(),
				sum["added-records"], sum["deleted-records"], sum["total-data-files"], strings.Join(s.GetRefs(), ","),
			})
			items = append(items, s)
		}
		return a.print(answer.Msg, g, items...)
	})
	cmd.Flags().Uint32Var(&limit, "limit", 30, "snapshots at the most")
	return cmd
}

func (a *app) tableConnect() *cobra.Command {
	var engine string
	cmd := tableCommand("connect", "Print the text that connects an engine to this table", func(cmd *cobra.Command, name string, ref *firnv1.TableRef) error {
		answer, err := a.catalog().GetConnect(cmd.Context(), connect.NewRequest(&firnv1.GetConnectRequest{Table: ref, Engine: engine}))
		if err != nil {
			return a.remote("connect "+engine+" to "+name, err)
		}
		if a.format == "table" && a.jq == "" {
			_, err = fmt.Fprintln(a.out, strings.TrimRight(answer.Msg.GetText(), "\n"))
			return err
		}
		return a.print(answer.Msg, grid{header: []string{"text"}, rows: [][]string{{answer.Msg.GetText()}}})
	})
	cmd.Flags().StringVar(&engine, "engine", "pyiceberg", "spark|trino|pyiceberg|duckdb|polars")
	return cmd
}

func joinMap(m map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, key+"="+m[key])
	}
	return strings.Join(parts, " ")
}
