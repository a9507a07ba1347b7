package duck

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

const workerVariable = "FIRN_DUCK_WORKER"

// Descriptors that a worker inherits.
const (
	requestFD  = 3
	responseFD = 4
)

// WorkerMain must be called first in main, and in TestMain of packages that
// use a Pool. It returns at once, unless this process was started as a worker:
// then it never returns.
func WorkerMain() {
	if os.Getenv(workerVariable) != "1" {
		return
	}
	debug.SetGCPercent(50)
	os.Unsetenv(workerVariable)
	in := os.NewFile(requestFD, "request")
	out := os.NewFile(responseFD, "response")
	if in == nil || out == nil {
		os.Stderr.WriteString("firn worker: started without its pipes; workers are started by firn only\n")
		os.Exit(2)
	}
	os.Exit(work(bufio.NewReader(in), &frameWriter{w: out}))
}

// work serves jobs until the pool closes the pipe. After a job its database is
// thrown away and the next one opened ahead.
func work(in io.Reader, out *frameWriter) int {
	next, err := openSession()
	h := hello{Sandbox: sandboxSupport()}
	if err != nil {
		h.Error = err.Error()
	}
	if out.writeJSON(frameHello, h) != nil || err != nil {
		return 1
	}
	debug.FreeOSMemory() // what package initialisation left
	for {
		req, err := readRequest(in)
		if errors.Is(err, io.EOF) {
			return 0
		}
		if err != nil {
			return complain("read job", err)
		}
		read := readBytes() // here, for the session's thread may not look after its job
		t := next.run(req, out)
		t.Read = readBytes() - read
		if err := out.writeJSON(frameEnd, t); err != nil {
			return complain("answer", err)
		}
		if t.Dirty {
			return 0
		}
		if next, err = openSession(); err != nil {
			return complain("open database", err)
		}
	}
}

// complain says on stderr, which the pool keeps, why the worker ends.
func complain(what string, err error) int {
	os.Stderr.WriteString("firn worker: " + what + ": " + err.Error() + "\n")
	return 1
}

// session is a database on a thread of its own: Landlock restricts a thread
// and the threads it starts, which are DuckDB's. The thread ends with the
// session, and its restrictions with it.
type session struct {
	jobs chan func(*engine)
}

func openSession() (*session, error) {
	s := &session{jobs: make(chan func(*engine))}
	opened := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread goes with the goroutine
		eng, err := openEngine()
		opened <- err
		if err != nil {
			return
		}
		job := <-s.jobs
		job(eng)
		eng.close()
	}()
	return s, <-opened
}

// run does the session's only job.
func (s *session) run(req *request, out *frameWriter) trailer {
	done := make(chan trailer)
	s.jobs <- func(eng *engine) { done <- serve(eng, req, out) }
	return <-done
}

// serve runs one job and answers its trailer. A worker is dirty after an
// untrusted statement and whenever it failed for another reason than SQL.
func serve(eng *engine, req *request, out *frameWriter) (t trailer) {
	stopProgress := func() {}
	if req.Progress {
		stopProgress = reportProgress(eng, out)
	}
	cpu := cpuTime()
	peak := watchPeak()
	defer func() {
		stopProgress()
		if r := recover(); r != nil {
			t.Error = &wireError{Class: classInternal, Message: "worker panicked"}
		}
		t.CPU = int64(cpuTime() - cpu)
		t.Peak = peak()
		t.Dirty = req.Untrusted || t.Error != nil && t.Error.Class != classSQL
	}()
	if err := limitMemory(req); err != nil {
		t.Error = &wireError{Class: classInternal, Message: err.Error()}
		return t
	}
	rows, batches, err := eng.run(req, out)
	t.Rows, t.Batches = rows, batches
	if err != nil {
		var we *wireError
		if !errors.As(err, &we) {
			we = &wireError{Class: classInternal, Message: err.Error()}
		}
		t.Error = we
	}
	return t
}

// reportProgress tells the pool how far the job is until the answered
// function is called.
func reportProgress(eng *engine, out *frameWriter) func() {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for last := -1.0; ; {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if share := eng.progress(); share > last {
				last = share
				if out.write(frameProgress, binary.BigEndian.AppendUint64(nil, math.Float64bits(share))) != nil {
					return
				}
			}
		}
	})
	return func() { close(done); wg.Wait() }
}
