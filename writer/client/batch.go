package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// SendArrow commits one batch. token is kept with the channel and answered by
// the next open; at most 1 KiB, may be empty.
func (c *Client) SendArrow(ctx context.Context, b arrow.RecordBatch, token string) (Ack, error) {
	return c.send(ctx, uint64(b.NumRows()), token, func(from uint64) (*firnv1.AppendRequest, error) {
		part := b.NewSlice(int64(from), b.NumRows())
		defer part.Release()
		data, err := c.encode(part)
		return &firnv1.AppendRequest{Rows: &firnv1.AppendRequest_ArrowIpc{ArrowIpc: data}}, err
	})
}

// SendLines commits rows given as JSON objects, one each, without newlines.
func (c *Client) SendLines(ctx context.Context, lines []string, token string) (Ack, error) {
	return c.send(ctx, uint64(len(lines)), token, func(from uint64) (*firnv1.AppendRequest, error) {
		return &firnv1.AppendRequest{Rows: &firnv1.AppendRequest_Ndjson{Ndjson: strings.Join(lines[from:], "\n")}}, nil
	})
}

func (c *Client) encode(b arrow.RecordBatch) ([]byte, error) {
	opts := []ipc.Option{ipc.WithSchema(b.Schema())}
	if c.cfg.Compress {
		opts = append(opts, ipc.WithLZ4())
	}
	var buf bytes.Buffer
	w := ipc.NewWriter(&buf, opts...)
	if err := w.Write(b); err != nil {
		return nil, fmt.Errorf("encode rows: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encode rows: %w", err)
	}
	return buf.Bytes(), nil
}

// Stats sums up an ingestion.
type Stats struct {
	// Skipped rows were committed by an earlier run through the same channel.
	Skipped, Rows, Quarantined uint64
	Batches, Duplicates        int
	Retries                    int
	Last                       Ack
}

func (s *Stats) add(a Ack) {
	s.Rows += a.Rows
	s.Quarantined += a.Quarantined
	s.Batches++
	s.Retries += a.Attempts - 1
	if a.Duplicate {
		s.Duplicates++
	}
	s.Last = a
}

// IngestRecords commits all rows of a source that gives the same rows in the
// same order each time, from NextOffset on. progress, if not nil, is told
// after each batch.
func (c *Client) IngestRecords(ctx context.Context, source iter.Seq2[arrow.RecordBatch, error], progress func(Stats)) (Stats, error) {
	var stats Stats
	skip := c.next
	if c.cfg.Channel == "" {
		skip = 0
	}
	stats.Skipped = skip
	for b, err := range source {
		if err != nil {
			return stats, fmt.Errorf("read the rows to send: %w", err)
		}
		rows := uint64(b.NumRows())
		if skip >= rows {
			skip -= rows
			continue
		}
		for from := int64(skip); from < b.NumRows(); from += int64(c.cfg.BatchRows) {
			part := b.NewSlice(from, min(b.NumRows(), from+int64(c.cfg.BatchRows)))
			ack, err := c.SendArrow(ctx, part, "")
			part.Release()
			if err != nil {
				return stats, err
			}
			stats.add(ack)
			if progress != nil {
				progress(stats)
			}
		}
		skip = 0
	}
	if skip > 0 {
		return stats, fmt.Errorf("the channel has %d rows more than the source: is it the right source for channel %s?", skip, c.cfg.Channel)
	}
	return stats, nil
}

// maxLine bounds one JSON row, as the server does.
const maxLine = 4 << 20

// IngestLines commits JSON lines from r, like IngestRecords. Blank lines are
// no rows.
func (c *Client) IngestLines(ctx context.Context, r io.Reader, progress func(Stats)) (Stats, error) {
	var stats Stats
	skip := c.next
	if c.cfg.Channel == "" {
		skip = 0
	}
	stats.Skipped = skip
	var lines []string
	size := 0
	flush := func() error {
		if len(lines) == 0 {
			return nil
		}
		ack, err := c.SendLines(ctx, lines, "")
		if err != nil {
			return err
		}
		lines, size = lines[:0], 0
		stats.add(ack)
		if progress != nil {
			progress(stats)
		}
		return nil
	}
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 64<<10), maxLine+2)
	for in.Scan() {
		line := strings.TrimSpace(in.Text())
		if line == "" {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		lines = append(lines, line)
		size += len(line)
		if len(lines) >= c.cfg.BatchRows || size >= c.cfg.BatchBytes {
			if err := flush(); err != nil {
				return stats, err
			}
		}
	}
	if err := in.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("a line is longer than %d bytes", maxLine)
		}
		return stats, fmt.Errorf("read the rows to send: %w", err)
	}
	if skip > 0 {
		return stats, fmt.Errorf("the channel has %d rows more than the source: is it the right source for channel %s?", skip, c.cfg.Channel)
	}
	return stats, flush()
}
