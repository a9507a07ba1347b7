// Package sqlstream reads an answer of QueryService.Query as Arrow record
// batches while it arrives: one chunk and one batch are in memory at a time.
package sqlstream

import (
	"cmp"
	"context"
	"errors"
	"io"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// Stream is one running query. Close ends it, also on the server.
type Stream struct {
	source *chunks
	reader *ipc.Reader
	cancel context.CancelFunc
}

// Open starts a query and waits for the result's schema.
func Open(ctx context.Context, client firnv1connect.QueryServiceClient, request *firnv1.QueryRequest) (*Stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := client.Query(ctx, connect.NewRequest(request))
	if err != nil {
		cancel()
		return nil, err
	}
	source := &chunks{stream: stream}
	reader, err := ipc.NewReader(source)
	if err != nil {
		err = cmp.Or(stream.Err(), err)
		_ = stream.Close()
		cancel()
		return nil, err
	}
	return &Stream{source: source, reader: reader, cancel: cancel}, nil
}

// Schema is the schema of all batches.
func (s *Stream) Schema() *arrow.Schema { return s.reader.Schema() }

// Next moves to the next batch; false at the end and on an error.
func (s *Stream) Next() bool { return s.reader.Next() }

// Batch is valid until the next call of Next.
func (s *Stream) Batch() arrow.RecordBatch { return s.reader.RecordBatch() }

// Err is the error that ended the stream, if one did.
func (s *Stream) Err() error {
	if err := s.source.stream.Err(); err != nil {
		return err
	}
	if err := s.reader.Err(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// Stats is known once the stream has been read to its end: it reads what is
// left and answers nil when the server sent none.
func (s *Stream) Stats() *firnv1.QueryStats {
	for s.source.next() {
		s.source.rest = nil
	}
	return s.source.stats
}

// Close releases the result and cancels the query if it still runs.
func (s *Stream) Close() {
	s.reader.Release()
	s.cancel()
	_ = s.source.stream.Close()
}

// chunks is the stream as the bytes of one Arrow IPC stream.
type chunks struct {
	stream *connect.ServerStreamForClient[firnv1.QueryResponse]
	rest   []byte
	stats  *firnv1.QueryStats
}

// next receives one message.
func (c *chunks) next() bool {
	if !c.stream.Receive() {
		return false
	}
	switch part := c.stream.Msg().GetPart().(type) {
	case *firnv1.QueryResponse_ArrowIpc:
		c.rest = part.ArrowIpc
	case *firnv1.QueryResponse_Stats:
		c.stats = part.Stats
	}
	return true
}

func (c *chunks) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		if !c.next() {
			return 0, cmp.Or(c.stream.Err(), io.EOF)
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}
