package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
	"github.com/firnlake/firn/writer/client"
)

// Sent counts what a replay committed.
type Sent struct{ Rows, Batches, Bytes int64 }

// Replay sends every feed through a channel of its own, all at once and at
// full speed, each in time order. A feed whose channel has committed rows
// already goes on behind them, so a replay can be repeated.
func Replay(ctx context.Context, ingest firnv1connect.IngestServiceClient, data *dataset, progress io.Writer) (Sent, error) {
	var rows, batches, bytes atomic.Int64
	advance, finish := bar(progress, data.rows)
	defer finish()
	group, ctx := errgroup.WithContext(ctx)
	for _, f := range data.feeds {
		group.Go(func() error {
			sender, err := client.Open(ctx, client.Config{
				Ingest: ingest, Channel: channelName(f.contributor),
				Table: &firnv1.TableRef{Namespace: []string{"bronze"}, Name: "invoice_lines_raw"},
			})
			if err != nil {
				return fmt.Errorf("open the channel of %s: %w", f.contributor, err)
			}
			position := uint64(0)
			for i, batch := range f.batches {
				from := position
				position += uint64(batch.NumRows())
				if position <= sender.NextOffset() {
					continue
				}
				if from < sender.NextOffset() {
					batch = batch.NewSlice(int64(sender.NextOffset()-from), batch.NumRows())
				}
				if _, err := sender.SendArrow(ctx, batch, strconv.Itoa(i)); err != nil {
					return fmt.Errorf("send batch %d of %s: %w", i, f.contributor, err)
				}
				rows.Add(batch.NumRows())
				batches.Add(1)
				for _, column := range batch.Columns() {
					bytes.Add(int64(column.Data().SizeInBytes()))
				}
				advance(batch.NumRows())
			}
			return nil
		})
	}
	err := group.Wait()
	return Sent{Rows: rows.Load(), Batches: batches.Load(), Bytes: bytes.Load()}, err
}

// channelName keeps to the characters that a channel may have.
func channelName(contributor string) string {
	name := []byte("contributor-" + contributor)
	for i, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
			name[i] = '-'
		}
	}
	return string(name)
}

// bar draws progress on a terminal, and nothing elsewhere.
func bar(out io.Writer, total int64) (advance func(int64), finish func()) {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(int64) {}, func() {}
	}
	progress := mpb.New(mpb.WithOutput(out), mpb.WithWidth(48))
	b := progress.AddBar(total,
		mpb.PrependDecorators(decor.Name("  ingest ")),
		mpb.AppendDecorators(decor.CountersNoUnit("%d / %d rows"), decor.Name(" "), decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO), "")))
	return func(n int64) { b.IncrInt64(n) }, func() {
		b.SetTotal(-1, true)
		progress.Wait()
	}
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
