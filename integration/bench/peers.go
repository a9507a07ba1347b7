package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow"
	pq "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/firnlake/firn/internal/duck"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// peerFile is the environment variable that makes this program the static
// peer: a process that sends the file's bytes to everyone, and answers appends
// without doing anything.
const peerFile = "FIRN_BENCH_PEER"

type emptyIngest struct {
	firnv1connect.UnimplementedIngestServiceHandler
}

func (emptyIngest) Append(context.Context, *connect.Request[firnv1.AppendRequest]) (*connect.Response[firnv1.AppendResponse], error) {
	return connect.NewResponse(&firnv1.AppendResponse{SnapshotId: 1 << 60, SequenceNumber: 1, Rows: 2, NextOffset: 2}), nil
}

// serveIfPeer serves as the static peer when it was started as one.
func serveIfPeer() bool {
	path := os.Getenv(peerFile)
	if path == "" {
		return false
	}
	payload, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(payload)
	})
	mux.Handle(firnv1connect.NewIngestServiceHandler(emptyIngest{}))
	fmt.Println("http://" + listener.Addr().String())
	panic(http.Serve(listener, mux))
}

// staticPeer starts the static peer; stop ends it.
func (b *bench) staticPeer(payload []byte) (base string, stop func(), err error) {
	file := filepath.Join(b.temp, "payload")
	if err := os.WriteFile(file, payload, 0o600); err != nil {
		return "", nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), peerFile+"="+file)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if _, err := fmt.Fscanln(out, &base); err != nil {
		stop()
		return "", nil, fmt.Errorf("start the static peer: %w", err)
	}
	return base, stop, nil
}

// encode is arrow-go's own Parquet writer over the batches, in memory, zstd at
// its fastest level.
func encode(batches []arrow.RecordBatch, dictionaries bool) (*bytes.Buffer, error) {
	var buf bytes.Buffer
	props := pq.NewWriterProperties(pq.WithCompression(compress.Codecs.Zstd), pq.WithCompressionLevel(1), pq.WithDictionaryDefault(dictionaries))
	w, err := pqarrow.NewFileWriter(batches[0].Schema(), &buf, props, pqarrow.DefaultWriterProps())
	if err != nil {
		return nil, err
	}
	for _, batch := range batches {
		if err := w.WriteBuffered(batch); err != nil {
			return nil, err
		}
	}
	return &buf, w.Close()
}

// duckCopy runs a plain COPY to a file next to dir and answers what it cost.
func (b *bench) duckCopy(ctx context.Context, from string, files []string) (duck.Stats, int64, error) {
	dir, err := os.MkdirTemp(b.temp, "duck-")
	if err != nil {
		return duck.Stats{}, 0, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "out.parquet")
	_, cost, err := b.pool.ExecStats(ctx, duck.Job{
		SQL:  "COPY (" + from + ") TO " + duck.Quote(out) + " (FORMAT parquet, COMPRESSION zstd)",
		Read: files, WriteDir: dir,
	})
	if err != nil {
		return cost, 0, fmt.Errorf("plain DuckDB: %w", err)
	}
	info, err := os.Stat(out)
	if err != nil {
		return cost, 0, err
	}
	return cost, info.Size(), nil
}

// byteCopy joins the files into one by read and write.
func byteCopy(files []string, out string) error {
	w, err := os.Create(out)
	if err != nil {
		return err
	}
	defer w.Close()
	buf := make([]byte, 1<<20)
	for _, path := range files {
		r, err := os.Open(path)
		if err != nil {
			return err
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf)
		r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// fsyncs answers how long one write of n bytes to a new file and its fsync
// take: what a durable answer costs at the least.
func (b *bench) fsyncs(n, times int) (each []float64, err error) {
	payload := bytes.Repeat([]byte("firn"), n/4)
	for i := range times {
		path := filepath.Join(b.temp, fmt.Sprint("sync-", i))
		begin := time.Now()
		f, err := os.Create(path)
		if err != nil {
			return nil, err
		}
		if _, err = f.Write(payload); err == nil {
			err = f.Sync()
		}
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			return nil, err
		}
		each = append(each, time.Since(begin).Seconds())
		_ = os.Remove(path)
	}
	return each, nil
}
