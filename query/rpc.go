package query

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/firnlake/firn/internal/duck"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// handler is the service's Connect surface.
type handler struct{ s *Service }

// Query implements firn.v1.QueryService.
func (h *handler) Query(ctx context.Context, req *connect.Request[firnv1.QueryRequest], stream *connect.ServerStream[firnv1.QueryResponse]) error {
	s := h.s
	entry := AccessEntry{At: s.cfg.Now(), Who: s.cfg.Who(ctx), SQL: req.Msg.GetSql()}
	began := time.Now()
	err := s.query(ctx, req.Msg, &entry, stream.Send)
	return s.finish(ctx, &entry, began, err)
}

// Explain implements firn.v1.QueryService.
func (h *handler) Explain(ctx context.Context, req *connect.Request[firnv1.ExplainRequest]) (*connect.Response[firnv1.ExplainResponse], error) {
	s := h.s
	entry := AccessEntry{At: s.cfg.Now(), Who: s.cfg.Who(ctx), SQL: "EXPLAIN " + req.Msg.GetSql()}
	began := time.Now()
	out, err := s.explain(ctx, req.Msg, &entry)
	if err := s.finish(ctx, &entry, began, err); err != nil {
		return nil, err
	}
	return connect.NewResponse(out), nil
}

// finish writes the access entry and translates the error.
func (s *Service) finish(ctx context.Context, entry *AccessEntry, began time.Time, err error) error {
	entry.Elapsed = time.Since(began)
	if err == nil {
		s.metrics.ended("ok", entry)
		s.cfg.Access(ctx, *entry)
		return nil
	}
	ce := s.connectError(ctx, entry.SQL, err)
	entry.Error = ce.Code().String()
	s.metrics.ended(entry.Error, entry)
	s.cfg.Access(ctx, *entry)
	return ce
}

// query runs a statement and sends its parts.
func (s *Service) query(ctx context.Context, req *firnv1.QueryRequest, entry *AccessEntry, send func(*firnv1.QueryResponse) error) error {
	began := time.Now()
	ctx, leave, err := s.enter(ctx, s.timeout(req.GetTimeoutMs()))
	if err != nil {
		return err
	}
	defer leave()
	st, err := s.prepare(ctx, req.GetSql(), req.GetPins(), req.GetNamespace())
	if err != nil {
		return err
	}
	defer st.release()
	entry.Tables = st.reads()
	if err := send(&firnv1.QueryResponse{Part: &firnv1.QueryResponse_Header{Header: &firnv1.QueryHeader{Tables: st.scans()}}}); err != nil {
		return err
	}
	res, err := s.cfg.Pool.Query(ctx, s.job(st))
	if err != nil {
		return err
	}
	defer res.Release()
	limit := s.cfg.MaxRows
	if n := req.GetMaxRows(); n > 0 && (limit == 0 || n < limit) {
		limit = n
	}
	out := &chunker{send: send}
	var from array.RecordReader = res
	if st.explain != "" {
		from = &planReader{Result: res}
	}
	rows, truncated, err := copyRows(from, out, limit)
	if err != nil {
		return err
	}
	var read int64
	if !truncated {
		stats := res.Stats()
		entry.CPU, read = stats.CPU, stats.Read
	}
	entry.PeakRSS = res.Stats().PeakRSS
	entry.Rows, entry.Bytes = rows, out.sent
	return send(&firnv1.QueryResponse{Part: &firnv1.QueryResponse_Stats{Stats: &firnv1.QueryStats{
		Rows: rows, Bytes: out.sent, ElapsedMs: uint32(time.Since(began).Milliseconds()), Truncated: truncated, ReadBytes: uint64(read),
	}}})
}

func (s *Service) job(st *statement) duck.Job {
	return duck.Job{
		Setup: st.setup, SQL: st.sql, Explain: st.explain, Untrusted: true, Read: st.read, PreserveOrder: true,
		MemoryBytes: s.cfg.MemoryBytes, TempBytes: s.cfg.TempBytes,
	}
}

// copyRows copies a result as an Arrow stream, at most limit rows of it (0:
// all).
func copyRows(res array.RecordReader, out *chunker, limit uint64) (rows uint64, truncated bool, err error) {
	w := ipc.NewWriter(out, ipc.WithSchema(res.Schema()))
	for !truncated && res.Next() {
		rec := res.RecordBatch()
		n := uint64(rec.NumRows())
		if limit > 0 && rows+n > limit {
			truncated = true
			n = limit - rows
			part := rec.NewSlice(0, int64(n))
			err = w.Write(part)
			part.Release()
		} else {
			err = w.Write(rec)
		}
		if err != nil {
			return rows, truncated, err
		}
		rows += n
	}
	if err := res.Err(); err != nil {
		return rows, truncated, err
	}
	if err := w.Close(); err != nil {
		return rows, truncated, err
	}
	return rows, truncated, out.flush()
}

// chunker sends bytes of an Arrow stream in messages of bounded size.
type chunker struct {
	send func(*firnv1.QueryResponse) error
	buf  bytes.Buffer
	sent uint64
}

// Bytes of a message.
const chunkBytes = 256 << 10

// Write implements io.Writer.
func (c *chunker) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		part := p[:min(len(p), chunkBytes-c.buf.Len())]
		c.buf.Write(part)
		p = p[len(part):]
		if c.buf.Len() >= chunkBytes {
			if err := c.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

var _ io.Writer = (*chunker)(nil)

func (c *chunker) flush() error {
	if c.buf.Len() == 0 {
		return nil
	}
	c.sent += uint64(c.buf.Len())
	msg := &firnv1.QueryResponse{Part: &firnv1.QueryResponse_ArrowIpc{ArrowIpc: bytes.Clone(c.buf.Bytes())}}
	c.buf.Reset()
	return c.send(msg)
}

func (s *Service) explain(ctx context.Context, req *firnv1.ExplainRequest, entry *AccessEntry) (*firnv1.ExplainResponse, error) {
	ctx, leave, err := s.enter(ctx, s.cfg.Timeout)
	if err != nil {
		return nil, err
	}
	defer leave()
	st, err := s.prepare(ctx, req.GetSql(), req.GetPins(), req.GetNamespace())
	if err != nil {
		return nil, err
	}
	defer st.release()
	entry.Tables = st.reads()
	job := s.job(st)
	if job.Explain == "" {
		job.Explain = "EXPLAIN"
	}
	rows, err := s.cfg.Pool.Exec(ctx, job)
	if err != nil {
		return nil, err
	}
	var plan strings.Builder
	for _, row := range rows {
		text, ok := row["explain_value"].(string)
		if !ok {
			return nil, errors.New("the plan has no text")
		}
		plan.WriteString(text)
	}
	return &firnv1.ExplainResponse{Tables: st.scans(), Plan: scrubPlan(plan.String())}, nil
}

// scans is what the statement reads, for the answer's header.
func (st *statement) scans() []*firnv1.TableScan {
	out := make([]*firnv1.TableScan, len(st.tables))
	for i, use := range st.tables {
		deletes := map[string]bool{}
		for _, f := range use.scan.Files {
			for _, d := range f.Deletes {
				key := d.Data.FilePath()
				if off := d.Data.ContentOffset(); off != nil {
					key = fmt.Sprintf("%s#%d", key, *off)
				}
				deletes[key] = true
			}
		}
		out[i] = &firnv1.TableScan{
			Table:      &firnv1.TableRef{Namespace: use.ident.Namespace, Name: use.ident.Name},
			SnapshotId: use.scan.SnapshotID, Files: uint64(len(use.scan.Files)), FilesPruned: uint64(use.scan.Pruned),
			DeleteFiles: uint64(len(deletes)), Bytes: uint64(use.scan.Bytes), Rows: uint64(use.scan.Rows),
		}
	}
	return out
}

func (st *statement) reads() []TableRead {
	out := make([]TableRead, len(st.tables))
	for i, use := range st.tables {
		out[i] = TableRead{Table: use.ident, Snapshot: use.scan.SnapshotID, Files: len(use.scan.Files), Pruned: use.scan.Pruned}
	}
	return out
}
