//go:build duckdb_arrow

package duck

import (
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	bindings "github.com/duckdb/duckdb-go-bindings"
)

const builtIn = true

// engine is one in-memory database and its connection. It is opened ahead of
// its job, without threads of its own, so that those it starts for the job are
// born inside the job's sandbox. All calls but progress come from one thread.
//
// The C interface is used directly: database/sql opens connections on other
// threads, and has no way to stream a result.
type engine struct {
	db   bindings.Database
	conn bindings.Connection
}

func openEngine() (*engine, error) {
	var cfg bindings.Config
	if bindings.CreateConfig(&cfg) == bindings.StateError {
		return nil, errors.New("create database configuration")
	}
	defer bindings.DestroyConfig(&cfg)
	for _, kv := range [][2]string{
		{"threads", "1"},
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"allow_community_extensions", "false"},
		{"allow_unsigned_extensions", "false"},
		{"errors_as_json", "true"},
	} {
		if bindings.SetConfig(cfg, kv[0], kv[1]) == bindings.StateError {
			return nil, fmt.Errorf("set database option %s", kv[0])
		}
	}
	e := &engine{}
	var msg string
	if bindings.OpenExt(":memory:", &e.db, cfg, &msg) == bindings.StateError {
		return nil, fmt.Errorf("open database: %s", msg)
	}
	if bindings.Connect(e.db, &e.conn) == bindings.StateError {
		bindings.Close(&e.db)
		return nil, errors.New("connect to database")
	}
	return e, nil
}

func (e *engine) close() {
	bindings.Disconnect(&e.conn)
	bindings.Close(&e.db)
}

func (e *engine) progress() float64 {
	p := bindings.QueryProgress(e.conn)
	percent, _, _ := bindings.QueryProgressTypeMembers(&p)
	return min(max(percent/100, 0), 1)
}

// run does the job of a worker: settings, sandbox, the job's setup, the locks,
// then the statement.
func (e *engine) run(req *request, out *frameWriter) (rows, batches int64, err error) {
	scrub := newScrubber(req)
	if req.Untrusted || req.Op == opParse {
		tree, err := e.syntaxTree(req.SQL)
		if err != nil {
			return 0, 0, scrub.clean(err)
		}
		if req.Op == opParse {
			_, err = out.Write(tree)
			return 0, 0, err
		}
		if err := oneSelect(tree); err != nil {
			return 0, 0, err
		}
	}
	if err := restrict(req); err != nil {
		return 0, 0, err
	}
	for _, stmt := range settings(req) {
		if err := e.exec(stmt); err != nil {
			return 0, 0, fmt.Errorf("prepare worker: %w", err)
		}
	}
	for _, stmt := range req.Setup {
		if err := e.exec(stmt); err != nil {
			return 0, 0, scrub.clean(fmt.Errorf("set up: %w", err))
		}
	}
	for _, stmt := range locks(req) {
		if err := e.exec(stmt); err != nil {
			return 0, 0, fmt.Errorf("lock worker: %w", err)
		}
	}
	prefix := ""
	switch {
	case req.Op == opDescribe:
		prefix = "DESCRIBE "
	case req.Explain != "":
		prefix = req.Explain + " "
	}
	rows, batches, err = e.stream(prefix+req.SQL, out)
	if we, ok := errors.AsType[*wireError](err); ok && we.Position >= len(prefix) {
		we.Position -= len(prefix)
	}
	return rows, batches, scrub.clean(err)
}

func (e *engine) syntaxTree(sql string) ([]byte, error) {
	var stmt bindings.PreparedStatement
	defer bindings.DestroyPrepare(&stmt)
	if bindings.Prepare(e.conn, "SELECT json_serialize_sql(?::VARCHAR)", &stmt) == bindings.StateError {
		return nil, sqlError(bindings.PrepareError(stmt))
	}
	if bindings.BindVarchar(stmt, 1, sql) == bindings.StateError {
		return nil, errors.New("bind statement")
	}
	var tree []byte
	_, _, err := e.results(stmt, func(schema *arrow.Schema) (sink, error) {
		return sinkFunc(func(rec arrow.RecordBatch) error {
			if col, ok := rec.Column(0).(*array.String); ok && col.Len() > 0 {
				tree = []byte(strings.Clone(col.Value(0)))
			}
			return nil
		}), nil
	})
	if err == nil && tree == nil {
		err = errors.New("the parser answered nothing")
	}
	return tree, err
}

// exec runs every statement of a text and drops the results.
func (e *engine) exec(sql string) error {
	return e.each(sql, func(stmt bindings.PreparedStatement, _ bool) error {
		_, _, err := e.results(stmt, func(*arrow.Schema) (sink, error) {
			return sinkFunc(func(arrow.RecordBatch) error { return nil }), nil
		})
		return err
	})
}

// stream runs a text and sends the result of its last statement.
func (e *engine) stream(sql string, out *frameWriter) (rows, batches int64, err error) {
	err = e.each(sql, func(stmt bindings.PreparedStatement, last bool) error {
		if !last {
			_, _, err := e.results(stmt, func(*arrow.Schema) (sink, error) {
				return sinkFunc(func(arrow.RecordBatch) error { return nil }), nil
			})
			return err
		}
		rows, batches, err = e.results(stmt, func(schema *arrow.Schema) (sink, error) {
			return newBatcher(ipc.NewWriter(out, ipc.WithSchema(schema))), nil
		})
		return err
	})
	return rows, batches, err
}

func (e *engine) each(sql string, do func(stmt bindings.PreparedStatement, last bool) error) error {
	var all bindings.ExtractedStatements
	n := bindings.ExtractStatements(e.conn, sql, &all)
	defer bindings.DestroyExtracted(&all)
	if n == 0 {
		if msg := bindings.ExtractStatementsError(all); msg != "" {
			return sqlError(msg)
		}
		return &wireError{Class: classSQL, Kind: "Parser", Message: "there is no statement", Position: -1}
	}
	for i := range n {
		var stmt bindings.PreparedStatement
		err := func() error {
			defer bindings.DestroyPrepare(&stmt)
			if bindings.PrepareExtractedStatement(e.conn, all, i, &stmt) == bindings.StateError {
				return sqlError(bindings.PrepareError(stmt))
			}
			return do(stmt, i == n-1)
		}()
		if err != nil {
			return err
		}
	}
	return nil
}

// sink takes the batches of a result, then close.
type sink interface {
	take(rec arrow.RecordBatch) error
	close() (batches int64, err error)
}

type sinkFunc func(arrow.RecordBatch) error

func (f sinkFunc) take(rec arrow.RecordBatch) error { return f(rec) }
func (f sinkFunc) close() (int64, error)            { return 0, nil }

// results executes a statement and hands its chunks to a sink as they are
// made.
func (e *engine) results(stmt bindings.PreparedStatement, open func(*arrow.Schema) (sink, error)) (rows, batches int64, err error) {
	var pending bindings.PendingResult
	defer bindings.DestroyPending(&pending)
	if bindings.PendingPreparedStreaming(stmt, &pending) == bindings.StateError {
		return 0, 0, sqlError(bindings.PendingError(pending))
	}
	var res bindings.Result
	defer bindings.DestroyResult(&res)
	if bindings.ExecutePending(pending, &res) == bindings.StateError {
		return 0, 0, sqlError(bindings.ResultError(&res))
	}
	opts := bindings.ResultGetArrowOptions(&res)
	defer bindings.DestroyArrowOptions(&opts)
	schema, err := resultSchema(&res, opts)
	if err != nil {
		return 0, 0, err
	}
	to, err := open(schema)
	if err != nil {
		return 0, 0, err
	}
	for {
		chunk := bindings.FetchChunk(res)
		if chunk.Ptr == nil {
			if msg := bindings.ResultError(&res); msg != "" {
				return rows, batches, sqlError(msg)
			}
			break
		}
		rec, ed := bindings.DataChunkToArrowArray(opts, schema, chunk)
		bindings.DestroyDataChunk(&chunk)
		if err := errorData(ed); err != nil {
			return rows, batches, err
		}
		rows += rec.NumRows()
		err := to.take(rec)
		rec.Release()
		if err != nil {
			return rows, batches, err
		}
	}
	batches, err = to.close()
	return rows, batches, err
}

func resultSchema(res *bindings.Result, opts bindings.ArrowOptions) (*arrow.Schema, error) {
	n := bindings.ColumnCount(res)
	names := make([]string, n)
	types := make([]bindings.LogicalType, n)
	for i := range n {
		names[i] = bindings.ColumnName(res, i)
		types[i] = bindings.ColumnLogicalType(res, i)
	}
	defer func() {
		for i := range types {
			bindings.DestroyLogicalType(&types[i])
		}
	}()
	schema, ed := bindings.NewArrowSchema(opts, types, names)
	return schema, errorData(ed)
}

func errorData(ed bindings.ErrorData) error {
	defer bindings.DestroyErrorData(&ed)
	if !bindings.ErrorDataHasError(ed) {
		return nil
	}
	return sqlError(bindings.ErrorDataMessage(ed))
}

// batcher gathers DuckDB's chunks of 2,048 rows into batches worth sending. What
// it holds is there twice while it is gathered, on top of the job's memory, so
// wide rows are sent after fewer of them.
type batcher struct {
	w       *ipc.Writer
	held    []arrow.RecordBatch
	rows    int64
	bytes   int64
	batches int64
}

const (
	batchRows  = 16 * 2048
	batchBytes = 4 << 20
)

func newBatcher(w *ipc.Writer) *batcher { return &batcher{w: w} }

func (b *batcher) take(rec arrow.RecordBatch) error {
	rec.Retain()
	b.held = append(b.held, rec)
	b.rows += rec.NumRows()
	for _, col := range rec.Columns() {
		b.bytes += sizeOf(col.Data())
	}
	if b.bytes < batchBytes && (b.rows < batchRows && b.batches > 0 || b.rows < 2048) {
		return nil
	}
	return b.flush()
}

// sizeOf is how many bytes an array's buffers have.
func sizeOf(data arrow.ArrayData) (bytes int64) {
	for _, buf := range data.Buffers() {
		if buf != nil {
			bytes += int64(buf.Len())
		}
	}
	for _, child := range data.Children() {
		bytes += sizeOf(child)
	}
	return bytes
}

func (b *batcher) flush() error {
	if len(b.held) == 0 {
		return nil
	}
	defer func() {
		for _, rec := range b.held {
			rec.Release()
		}
		b.held, b.rows, b.bytes = b.held[:0], 0, 0
	}()
	b.batches++
	if len(b.held) == 1 {
		return b.w.Write(b.held[0])
	}
	schema := b.held[0].Schema()
	cols := make([]arrow.Array, schema.NumFields())
	for i := range cols {
		parts := make([]arrow.Array, len(b.held))
		for j, rec := range b.held {
			parts[j] = rec.Column(i)
		}
		col, err := array.Concatenate(parts, memory.DefaultAllocator)
		if err != nil {
			return fmt.Errorf("gather rows: %w", err)
		}
		defer col.Release()
		cols[i] = col
	}
	rec := array.NewRecordBatch(schema, cols, b.rows)
	defer rec.Release()
	return b.w.Write(rec)
}

func (b *batcher) close() (int64, error) {
	if err := b.flush(); err != nil {
		return b.batches, err
	}
	return b.batches, b.w.Close()
}
