package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/internal/parquet"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

const (
	withDictionaries    = "arrow-go encode, stock"
	withoutDictionaries = "arrow-go encode, no dictionaries"
)

func ref(name string) *firnv1.TableRef {
	return &firnv1.TableRef{Namespace: []string{namespace}, Name: name}
}

// append commits one Arrow batch.
func (s *server) append(ctx context.Context, name string, payload []byte) (*firnv1.AppendResponse, error) {
	answer, err := s.ingest.Append(ctx, connect.NewRequest(&firnv1.AppendRequest{
		Table: ref(name), Rows: &firnv1.AppendRequest_ArrowIpc{ArrowIpc: payload},
	}))
	if err != nil {
		return nil, fmt.Errorf("append to %s: %w", name, err)
	}
	return answer.Msg, nil
}

// ingest measures rows from client to committed: each client has one append
// under way, and an answer means a durable snapshot.
func (b *bench) ingest(ctx context.Context) error {
	for _, c := range []struct{ clients, batches, size int }{{1, 60, 1_000}, {8, 40, 1_000}, {1, 15, 20_000}, {8, 6, 20_000}} {
		if err := b.ingestOnce(ctx, c.clients, c.batches, c.size); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) ingestOnce(ctx context.Context, clients, batches, size int) error {
	s, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	if _, err := s.create(ctx, "lines", retailColumns, "contributor", nil); err != nil {
		return err
	}
	sent := make([][]arrow.RecordBatch, clients)
	payloads := make([][][]byte, clients)
	var bytes float64
	for c := range clients {
		if sent[c], err = b.rows.batches(ctx, fmt.Sprint("contributor ", c), batches, size); err != nil {
			return err
		}
		for _, batch := range sent[c] {
			payload, err := stream(batch)
			if err != nil {
				return err
			}
			payloads[c] = append(payloads[c], payload)
			bytes += float64(parquet.BatchBytes(batch))
		}
	}
	parallel := func(one func(client int) error) (wall time.Duration, err error) {
		var group errgroup.Group
		begin := time.Now()
		for c := range clients {
			group.Go(func() error { return one(c) })
		}
		err = group.Wait()
		return time.Since(begin), err
	}
	if _, err := s.append(ctx, "lines", payloads[0][0]); err != nil { // connections and caches
		return err
	}
	before := s.cpu()
	wall, err := parallel(func(c int) error {
		for _, payload := range payloads[c] {
			if _, err := s.append(ctx, "lines", payload); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	cpu := s.cpu() - before
	group := fmt.Sprintf("ingest, %d client%s, %s rows a batch", clients, map[bool]string{true: "s"}[clients > 1], number(float64(size)))
	rows := float64(clients * batches * size)
	b.record(spec{group: group, name: "committed", unit: "rows/s"}, rows/wall.Seconds(), 0)
	for _, dictionaries := range []bool{true, false} {
		runtime.GC() // or it falls into what is measured
		begin := ownCPU()
		bare, err := parallel(func(c int) error {
			_, err := encode(sent[c], dictionaries)
			return err
		})
		if err != nil {
			return err
		}
		bareCPU := ownCPU() - begin
		peer := map[bool]string{true: withDictionaries, false: withoutDictionaries}[dictionaries]
		b.record(spec{group: group, name: "committed", unit: "MB/s", peer: peer}, bytes/1e6/wall.Seconds(), bytes/1e6/bare.Seconds())
		b.record(spec{group: group, name: "per core", unit: "MB/CPU-s", peer: peer, bar: ratioAtLeast(0.8)}, bytes/1e6/cpu.Seconds(), bytes/1e6/bareCPU.Seconds())
	}
	return nil
}
