package duck

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// The protocol between pool and worker. The pool writes one request: 4 bytes
// of length (big endian), then JSON. The worker answers frames: one byte of
// kind, 4 bytes of length, the payload. A job's answer is any number of data
// and progress frames, then exactly one end frame. A worker says hello once,
// when it is ready for its first job.
const (
	frameHello    = 'H' // JSON hello
	frameData     = 'D' // next bytes of the Arrow IPC stream
	frameProgress = 'P' // float64, 0 to 1
	frameEnd      = 'E' // JSON trailer

	maxFrame   = 1 << 20
	maxRequest = 256 << 20
)

// Kinds of request.
const (
	opQuery    = "query"
	opParse    = "parse"
	opDescribe = "describe"
)

type request struct {
	Op            string   `json:"op"`
	Setup         []string `json:"setup,omitempty"`
	SQL           string   `json:"sql"`
	Untrusted     bool     `json:"untrusted,omitempty"`
	Explain       string   `json:"explain,omitempty"`
	Read          []string `json:"read,omitempty"`
	WriteDir      string   `json:"write_dir,omitempty"`
	TempDir       string   `json:"temp_dir"`
	MemoryBytes   int64    `json:"memory_bytes"`
	TempBytes     int64    `json:"temp_bytes"`
	Threads       int      `json:"threads"`
	PreserveOrder bool     `json:"preserve_order,omitempty"`
	SpillEarly    bool     `json:"spill_early,omitempty"`
	Progress      bool     `json:"progress,omitempty"`
}

type hello struct {
	Sandbox Sandbox `json:"sandbox"`
	Error   string  `json:"error,omitempty"`
}

type trailer struct {
	Error   *wireError `json:"error,omitempty"`
	CPU     int64      `json:"cpu_ns"`
	Peak    int64      `json:"peak_bytes"`
	Read    int64      `json:"read_bytes"`
	Rows    int64      `json:"rows"`
	Batches int64      `json:"batches"`
	Dirty   bool       `json:"dirty"` // the worker ends after this job
}

// wireError carries an error of the worker. Class is one of the classes below.
type wireError struct {
	Class    string `json:"class"`
	Kind     string `json:"kind,omitempty"`
	Message  string `json:"message"`
	Position int    `json:"position"`
}

const (
	classSQL      = "sql"
	classMemory   = "memory"
	classDiskFull = "disk_full"
	classInternal = "internal"
	classNoEngine = "no_engine"
)

func (e *wireError) Error() string { return e.Message }

// typed is the error as callers of the pool know it.
func (e *wireError) typed() error {
	switch e.Class {
	case classSQL:
		return &SQLError{Kind: e.Kind, Message: e.Message, Position: e.Position}
	case classMemory:
		return fmt.Errorf("%w: %s", ErrMemory, e.Message)
	case classDiskFull:
		return fmt.Errorf("%w: %s", ErrDiskFull, e.Message)
	case classNoEngine:
		return ErrNotBuiltIn
	default:
		return fmt.Errorf("%w: %s", ErrKilled, e.Message)
	}
}

// frameWriter writes frames; it is safe for concurrent use.
type frameWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (f *frameWriter) write(kind byte, payload []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var head [5]byte
	head[0] = kind
	binary.BigEndian.PutUint32(head[1:], uint32(len(payload)))
	if _, err := f.w.Write(head[:]); err != nil {
		return err
	}
	_, err := f.w.Write(payload)
	return err
}

func (f *frameWriter) writeJSON(kind byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return f.write(kind, b)
}

// Write sends data frames, so that an ipc.Writer can write to it.
func (f *frameWriter) Write(p []byte) (int, error) {
	n := 0
	for len(p) > 0 {
		part := p[:min(len(p), maxFrame)]
		if err := f.write(frameData, part); err != nil {
			return n, err
		}
		n += len(part)
		p = p[len(part):]
	}
	return n, nil
}

// readFrameHeader answers kind and length of the next frame; anything that is
// no frame is an error.
func readFrameHeader(r io.Reader) (kind byte, n int, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, 0, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	switch head[0] {
	case frameHello, frameData, frameProgress, frameEnd:
	default:
		return 0, 0, fmt.Errorf("unknown frame kind %#x", head[0])
	}
	if size > maxFrame {
		return 0, 0, fmt.Errorf("frame of %d bytes is over the limit of %d", size, maxFrame)
	}
	return head[0], int(size), nil
}

func writeRequest(w io.Writer, req *request) error {
	b, err := json.Marshal(req)
	if err != nil {
		return err
	}
	if len(b) > maxRequest {
		return fmt.Errorf("job of %d bytes is over the limit of %d", len(b), maxRequest)
	}
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(b)))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

func readRequest(r io.Reader) (*request, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxRequest {
		return nil, fmt.Errorf("job of %d bytes is over the limit of %d", n, maxRequest)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	var req request
	return &req, json.Unmarshal(b, &req)
}
