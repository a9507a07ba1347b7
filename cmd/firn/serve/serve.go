// Package serve is where the rooms meet: it turns a configuration into a
// running process. It promises that a process which cannot start says what to
// do about it, that SIGTERM drains (no new requests, then buffers committed,
// then leases given back), and that two processes never share a data folder.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/boltstore"
	"github.com/firnlake/firn/internal/config"
	"github.com/firnlake/firn/internal/lifecycle"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/telemetry"
)

// Mode is what `firn dev` and `firn serve` differ in.
type Mode struct {
	// Dev sends object store keys to engines and keeps unreachable files for
	// a minute only.
	Dev bool
	// Stderr takes the log.
	Stderr io.Writer
	// Ready is called with the addresses when everything answers.
	Ready func(lifecycle.RunInfo)
}

// Run serves until ctx ends, and then drains.
func Run(ctx context.Context, cfg config.Config, mode Mode) (err error) {
	log, err := telemetry.NewLogger(mode.Stderr, telemetry.LogConfig{Level: cfg.Log.Level, Format: cfg.Log.Format})
	if err != nil {
		return err
	}
	collectLess(cfg)
	dir, err := lifecycle.LockDataDir(cfg.Data)
	if err != nil {
		return err
	}
	p := &process{cfg: cfg, mode: mode, log: log, dir: dir, registry: telemetry.NewRegistry(), readiness: lifecycle.NewReadiness()}
	p.closers = append(p.closers, dir.Close)
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.construct(ctx); err != nil {
		return err
	}
	group, err := lifecycle.New(lifecycle.Config{Parts: p.parts, Drain: cfg.Drain, Logger: log, Readiness: p.readiness})
	if err != nil {
		return err
	}
	return group.Run(ctx)
}

// construct builds from the ground up: addresses, object store, catalog store,
// rooms, and the listener last, so that who gets an answer gets a whole one.
func (p *process) construct(ctx context.Context) error {
	begin := time.Now()
	listener, err := p.listen("http.listen", p.cfg.HTTP.Listen)
	if err != nil {
		return err
	}
	p.address = "http://" + listener.Addr().String()
	if err := p.openBucket(ctx); err != nil {
		return err
	}
	path := p.cfg.Store.Path
	if path == "" {
		path = p.dir.Path("store.db")
	}
	store, err := boltstore.Open(boltstore.Config{Path: path})
	if err != nil {
		return fmt.Errorf("open the catalog store %s: %w", filepath.Base(path), err)
	}
	p.store = store
	p.closers = append(p.closers, store.Close)
	p.parts = append(p.parts, lifecycle.Part{Name: "store", Run: func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return nil
		case <-store.Failed():
			return errors.New("the catalog store met an I/O error after which its file is not trusted: check the disk, then start again")
		}
	}})
	p.readiness.Add("store", func(ctx context.Context) error {
		_, _, err := store.Scan(ctx, catalog.Range{Limit: 1})
		return err
	})
	p.readiness.Advise("object store", func(ctx context.Context) error {
		if _, err := p.bucket.Stat(ctx, "readiness-probe"); err != nil && !errors.Is(err, objstore.ErrNotFound) {
			return err
		}
		return nil
	})
	handler, err := p.rooms(ctx)
	if err != nil {
		return err
	}
	p.parts = append(p.parts, lifecycle.HTTP("http", listener, handler, p.log))
	info := lifecycle.RunInfo{Started: begin, Version: telemetry.BuildInfo().Version, HTTP: p.address, S3: p.s3Endpoint}
	if p.cfg.Metrics.Listen != "" {
		metrics, err := p.listen("metrics.listen", p.cfg.Metrics.Listen)
		if err != nil {
			return err
		}
		info.Metrics = "http://" + metrics.Addr().String()
		p.parts = append(p.parts, lifecycle.HTTP("metrics", metrics, telemetry.DebugHandler(p.registry), p.log))
	}
	p.parts = append(p.parts, lifecycle.Part{Name: "announce", Start: func(ctx context.Context) error {
		info.Ready = true
		if err := p.dir.Publish(info); err != nil {
			return err
		}
		p.log.InfoContext(ctx, "serving", slog.String("http", info.HTTP), slog.String("s3", info.S3), slog.Duration("took", time.Since(begin)))
		if p.mode.Ready != nil {
			p.mode.Ready(info)
		}
		return nil
	}})
	return nil
}

// listen opens an address; one that is taken is an error that says what to do.
func (p *process) listen(key, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, cannotListen(key, address, err)
	}
	p.closers = append(p.closers, func() error { _ = listener.Close(); return nil })
	return listener, nil
}

func cannotListen(key, address string, err error) error {
	return &config.Problem{
		Key: key, What: "cannot listen on " + address, Why: err.Error(),
		Do: "end the process that has the port, or choose another with --" + flagOf(key) + " (port 0 takes a free one)",
	}
}

func flagOf(key string) string {
	switch key {
	case "http.listen":
		return "listen"
	case "gateway.listen":
		return "s3-listen"
	default:
		return "metrics-listen"
	}
}
