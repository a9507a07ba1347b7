package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow"
	arrowcsv "github.com/apache/arrow-go/v18/arrow/csv"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"google.golang.org/protobuf/proto"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/writer/client"
)

func (a *app) ingestCommands() []*cobra.Command {
	return []*cobra.Command{a.ingestCommand(), a.channelCommand()}
}

func (a *app) ingestCommand() *cobra.Command {
	var table, channel, format string
	var rows int
	var quarantine bool
	cmd := &cobra.Command{
		Use: "ingest FILE|-", Short: "Send a file's rows to a table: Parquet, Arrow IPC, CSV or NDJSON", Args: cobra.ExactArgs(1),
		Long: `Sends rows in micro-batches; each is committed when it is acknowledged. With
--channel the position is durable: the same command, run again after a fault,
goes on where the last committed batch ended. A channel counts the rows of one
source, so a second file needs a channel of its own, or none.`,
		Example: "firn ingest payments.parquet --table bronze.payments --channel file-2026-11\n" + `tail -f log.ndjson | firn ingest - --table bronze.log`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := parseTable(table)
			if err != nil {
				return err
			}
			cfg := client.Config{Ingest: a.ingest(), Table: ref, Channel: channel, BatchRows: rows, Compress: true}
			if quarantine {
				cfg.BadRows = firnv1.BadRows_BAD_ROWS_QUARANTINE
			}
			return a.send(cmd.Context(), args[0], cmp.Or(format, formatOf(args[0])), cfg)
		},
	}
	cmd.Flags().StringVar(&table, "table", "", "table that takes the rows (required)")
	cmd.Flags().StringVar(&channel, "channel", "", "durable channel, so that a repeated command sends nothing twice")
	cmd.Flags().StringVar(&format, "format", "", "parquet|arrow|csv|ndjson (default: by the file's name)")
	cmd.Flags().IntVar(&rows, "batch-rows", 0, "rows of a micro-batch (default 50,000, or 4 MiB)")
	cmd.Flags().BoolVar(&quarantine, "quarantine", false, "NDJSON: send faulty rows to TABLE__quarantine instead of refusing the batch")
	_ = cmd.MarkFlagRequired("table")
	return cmd
}

func formatOf(path string) string {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".parquet", ".csv":
		return ext[1:]
	case ".arrow", ".arrows", ".ipc", ".feather":
		return "arrow"
	default:
		return "ndjson"
	}
}

// send streams the file through a client, behind what its channel has
// committed already.
func (a *app) send(ctx context.Context, path, format string, cfg client.Config) error {
	in, size, err := open(path)
	if err != nil {
		return &Fault{What: "read " + path, Why: err.Error(), Help: "firn ingest FILE|- --table T", Exit: ExitUsage, Err: err}
	}
	defer in.Close()
	sender, err := client.Open(ctx, cfg)
	if err != nil {
		return a.remote("open a channel to "+TableName(cfg.Table), err)
	}
	begin := time.Now()
	progress, finish := a.ingestBar(size)
	var stats client.Stats
	if format == "ndjson" {
		stats, err = sender.IngestLines(ctx, in, progress)
	} else {
		var records iter.Seq2[arrow.RecordBatch, error]
		if records, err = read(ctx, in, format); err == nil {
			stats, err = sender.IngestRecords(ctx, records, progress)
		}
	}
	finish()
	if err != nil {
		return a.remote("ingest "+path+" into "+TableName(cfg.Table), err)
	}
	seconds := time.Since(begin).Seconds()
	fmt.Fprintf(a.err, "%s committed in %s, %.1f s (%s rows/s)", Counted(int64(stats.Rows), "row"), Counted(stats.Batches, "micro-batch"), seconds, Count(int64(float64(stats.Rows)/seconds)))
	if stats.Quarantined > 0 {
		fmt.Fprintf(a.err, "; %s to the quarantine table", Count(int64(stats.Quarantined)))
	}
	fmt.Fprintln(a.err)
	if stats.Skipped > 0 {
		fmt.Fprintf(a.err, "%s skipped: channel %s had committed them before (another source wants another channel)\n", Counted(int64(stats.Skipped), "row"), cfg.Channel)
	}
	return nil
}

func open(path string) (*os.File, int64, error) {
	if path == "-" {
		return os.Stdin, 0, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// read yields the batches of a file with a schema of its own.
func read(ctx context.Context, in *os.File, format string) (iter.Seq2[arrow.RecordBatch, error], error) {
	switch format {
	case "parquet":
		source, err := file.NewParquetReader(in)
		if err != nil {
			return nil, fmt.Errorf("this is no Parquet file: %w", err)
		}
		reader, err := pqarrow.NewFileReader(source, pqarrow.ArrowReadProperties{BatchSize: 50_000}, memory.DefaultAllocator)
		if err != nil {
			return nil, err
		}
		records, err := reader.GetRecordReader(ctx, nil, nil)
		if err != nil {
			return nil, err
		}
		return each(records), nil
	case "arrow":
		if records, err := ipc.NewFileReader(in); err == nil {
			return func(yield func(arrow.RecordBatch, error) bool) {
				for i := range records.NumRecords() {
					batch, err := records.RecordBatchAt(i)
					if !yield(batch, err) || err != nil {
						return
					}
				}
			}, nil
		}
		if _, err := in.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		records, err := ipc.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("this is no Arrow IPC file or stream: %w", err)
		}
		return each(records), nil
	case "csv":
		return each(arrowcsv.NewInferringReader(in, arrowcsv.WithHeader(true), arrowcsv.WithChunk(50_000), arrowcsv.WithNullReader(true, ""))), nil
	default:
		return nil, usage("unknown format "+format, "--format parquet|arrow|csv|ndjson")
	}
}

// records is what the readers of all formats share.
type records interface {
	Next() bool
	RecordBatch() arrow.RecordBatch
	Err() error
}

func each(r records) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for r.Next() {
			if !yield(r.RecordBatch(), nil) {
				return
			}
		}
		if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
			yield(nil, err)
		}
	}
}

// ingestBar draws rows committed on a terminal.
func (a *app) ingestBar(int64) (progress func(client.Stats), finish func()) {
	if !a.terminal() {
		return nil, func() {}
	}
	bars := mpb.New(mpb.WithOutput(a.err), mpb.WithWidth(24))
	bar := bars.New(0, mpb.SpinnerStyle(), mpb.AppendDecorators(decor.CurrentNoUnit("%d rows committed")))
	return func(s client.Stats) { bar.SetCurrent(int64(s.Rows)) }, func() {
		bar.SetTotal(-1, true)
		bars.Wait()
	}
}

func (a *app) channelCommand() *cobra.Command {
	channel := &cobra.Command{Use: "channel", Short: "List ingestion channels"}
	channel.AddCommand(&cobra.Command{
		Use: "ls [TABLE]", Short: "List channels with their committed offsets", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			request := &firnv1.ListChannelsRequest{}
			if len(args) == 1 {
				ref, err := parseTable(args[0])
				if err != nil {
					return err
				}
				request.Table = ref
			}
			answer, err := a.ingest().ListChannels(cmd.Context(), connect.NewRequest(request))
			if err != nil {
				return a.remote("list channels", err)
			}
			g := grid{header: []string{"table", "channel", "epoch", "next offset", "token", "updated"}, right: []int{2, 3}}
			var items []proto.Message
			for _, c := range answer.Msg.GetChannels() {
				g.rows = append(g.rows, []string{TableName(c.GetTable()), c.GetChannel(), Count(c.GetEpoch()), Count(c.GetNextOffset()), c.GetLastToken(), ago(c.GetUpdatedAt())})
				items = append(items, c)
			}
			return a.print(answer.Msg, g, items...)
		},
	})
	return channel
}
