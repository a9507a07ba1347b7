package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"connectrpc.com/connect"

	"github.com/firnlake/firn/integration/bench/host"
	"github.com/firnlake/firn/integration/bench/readings"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/parquet/fuse"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// compact measures both tiers on one table of small files each, as whole jobs
// of the running service: planning, proof and commit are in it.
func (b *bench) compact(ctx context.Context) error {
	for _, c := range []struct {
		tier    string
		files   int
		rows    int
		fuse    string
		rowHash string
		bar     float64
	}{{"fuse", 128, 30_000, "true", "false", 1000}, {"rewrite", 40, 30_000, "false", "false", 60}, {"rewrite", 40, 30_000, "false", "true", 0}} {
		name := c.tier
		if c.rowHash == "true" {
			name += " with the multiset hash"
		}
		demand := bar{}
		if c.bar > 0 {
			demand = atLeast(c.bar, "MB/CPU-s")
		}
		if err := b.compactOnce(ctx, name, c.tier, c.files, c.rows, object{"firn.compact.fuse": c.fuse, "firn.compact.row-hash": c.rowHash}, demand); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) compactOnce(ctx context.Context, name, tier string, files, rows int, properties object, demand bar) error {
	s, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	id, err := s.create(ctx, "readings", readingColumns(), "", properties)
	if err != nil {
		return err
	}
	for i := range files {
		batch := readings.Batch(i*rows, rows)
		payload, err := stream(batch)
		batch.Release()
		if err != nil {
			return err
		}
		if _, err := s.append(ctx, "readings", payload); err != nil {
			return err
		}
	}
	paths, err := s.files(id)
	if err != nil {
		return err
	}
	var total int64
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		total += info.Size()
	}
	mb := float64(total) / 1e6
	// The peers go first: the job removes nothing, but it adds files.
	cost, _, err := b.duckCopy(ctx, "SELECT * FROM read_parquet("+duck.QuoteList(paths)+")", paths)
	if err != nil {
		return err
	}
	out := filepath.Join(b.temp, "copy")
	runtime.GC() // or it falls into what is measured
	begin := ownCPU()
	if err := byteCopy(paths, out); err != nil {
		return err
	}
	copied := ownCPU() - begin
	if err := os.Remove(out); err != nil {
		return err
	}
	group := fmt.Sprintf("%s, %d files of %.1f MB", name, len(paths), mb/float64(len(paths)))
	if tier == "fuse" {
		runtime.GC()
		begin = ownCPU()
		if _, err := fuse.Files(ctx, paths, out, fuse.Options{}); err != nil {
			return err
		}
		own := ownCPU() - begin
		if err := os.Remove(out); err != nil {
			return err
		}
		b.record(spec{group, "copying and checksums alone", "MB/CPU-s", "plain DuckDB COPY", demand}, mb/own.Seconds(), mb/cost.CPU.Seconds())
	}
	before := s.cpu()
	job, err := s.run(ctx, "readings")
	if err != nil {
		return err
	}
	spent := s.cpu() - before
	if job.GetTier() != tier || job.GetFilesIn() != uint64(len(paths)) {
		return fmt.Errorf("the job took the tier %q for %d of %d files", job.GetTier(), job.GetFilesIn(), len(paths))
	}
	b.record(spec{group, "whole job", "MB/CPU-s", "plain DuckDB COPY", demand}, mb/spent.Seconds(), mb/cost.CPU.Seconds())
	fmt.Fprintf(b.progress, "  of %s: %s\n", spent.Round(time.Millisecond), job.GetProof()["cpu"])
	b.record(spec{group, "whole job, limit", "MB/CPU-s", "byte copy", bar{}}, mb/spent.Seconds(), mb/copied.Seconds())
	if tier == "rewrite" {
		var most int64
		for _, pid := range host.Children(s.cmd.Process.Pid) {
			most = max(most, host.Peak(pid))
		}
		if most > 0 {
			b.record(spec{group, "peak memory of a worker", "MB", "", below(512*1.048576, "MB")}, float64(most)/1e6, 0)
		}
	}
	return nil
}

// run asks for a compaction and waits for its end.
func (s *server) run(ctx context.Context, table string) (*firnv1.Job, error) {
	submitted, err := s.jobs.SubmitJob(ctx, connect.NewRequest(&firnv1.SubmitJobRequest{Table: ref(table), Kind: firnv1.JobKind_JOB_KIND_COMPACT}))
	if err != nil {
		return nil, fmt.Errorf("ask for a compaction: %w", err)
	}
	watch, err := s.jobs.WatchJob(ctx, connect.NewRequest(&firnv1.WatchJobRequest{Id: submitted.Msg.GetJob().GetId()}))
	if err != nil {
		return nil, fmt.Errorf("watch a compaction: %w", err)
	}
	defer watch.Close()
	var job *firnv1.Job
	for watch.Receive() {
		job = watch.Msg().GetJob()
	}
	if err := watch.Err(); err != nil {
		return nil, fmt.Errorf("watch a compaction: %w", err)
	}
	if job.GetState() != firnv1.JobState_JOB_STATE_SUCCEEDED {
		return nil, fmt.Errorf("the compaction ended as %s: %s", job.GetState(), job.GetError())
	}
	return job, nil
}

// small measures the smallest compaction from asking to committed.
func (b *bench) small(ctx context.Context) error {
	s, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	for _, tier := range []string{"fuse", "rewrite"} {
		id, err := s.create(ctx, tier, retailColumns, "contributor", object{"firn.compact.fuse": fmt.Sprint(tier == "fuse")})
		if err != nil {
			return err
		}
		batches, err := b.rows.batches(ctx, "contributor", 5, 500)
		if err != nil {
			return err
		}
		for _, batch := range batches {
			payload, err := stream(batch)
			if err != nil {
				return err
			}
			if _, err := s.append(ctx, tier, payload); err != nil {
				return err
			}
		}
		paths, err := s.files(id)
		if err != nil {
			return err
		}
		cost, _, err := b.duckCopy(ctx, "SELECT * FROM read_parquet("+duck.QuoteList(paths)+")", paths)
		if err != nil {
			return err
		}
		begin := time.Now()
		job, err := s.run(ctx, tier)
		if err != nil {
			return err
		}
		took := time.Since(begin)
		if job.GetTier() != tier || job.GetFilesIn() != 5 {
			return fmt.Errorf("the job took the tier %q for %d files", job.GetTier(), job.GetFilesIn())
		}
		b.record(spec{"five small files, plan to commit", tier, "ms", "plain DuckDB COPY", below(1000, "ms")}, took.Seconds()*1000, cost.Elapsed.Seconds()*1000)
	}
	return nil
}
