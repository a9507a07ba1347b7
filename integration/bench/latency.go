package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/cmd/firn/sqlstream"
	"github.com/firnlake/firn/integration/bench/report"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// visible measures from the sending of 1,000 rows until a table loaded over
// REST has a snapshot that holds them.
func (b *bench) visible(ctx context.Context) error {
	s, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	if _, err := s.create(ctx, "lines", retailColumns, "contributor", nil); err != nil {
		return err
	}
	var files float64
	for _, clients := range []int{1, 8} {
		var mu sync.Mutex
		var samples []float64
		var group errgroup.Group
		for c := range clients {
			batches, err := b.rows.batches(ctx, fmt.Sprint("contributor ", c), 1, 1000)
			if err != nil {
				return err
			}
			payload, err := stream(batches[0])
			if err != nil {
				return err
			}
			if files == 0 {
				file, err := encode(batches, false)
				if err != nil {
					return err
				}
				files = float64(file.Len())
			}
			group.Go(func() error {
				for i := range 60 {
					took, err := s.appendAndSee(ctx, "lines", payload)
					if err != nil {
						return err
					}
					if i >= 5 {
						mu.Lock()
						samples = append(samples, took.Seconds()*1000)
						mu.Unlock()
					}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		least, err := b.fsyncs(int(files), 60)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("append to visible, %d client%s", clients, map[bool]string{true: "s"}[clients > 1])
		const peer = "write and fsync of the same file"
		b.record(spec{group: name, name: "p50", unit: "ms", peer: peer, bar: below(1000, "ms")}, report.Percentile(samples, 0.5), report.Percentile(least, 0.5)*1000)
		b.record(spec{group: name, name: "p99", unit: "ms", peer: peer}, report.Percentile(samples, 0.99), report.Percentile(least, 0.99)*1000)
	}
	return nil
}

func (s *server) appendAndSee(ctx context.Context, name string, payload []byte) (time.Duration, error) {
	begin := time.Now()
	ack, err := s.append(ctx, name, payload)
	if err != nil {
		return 0, err
	}
	var loaded struct {
		Metadata struct {
			Sequence int64 `json:"last-sequence-number"`
		} `json:"metadata"`
	}
	if err := s.call(ctx, http.MethodGet, tablePath(name), nil, &loaded); err != nil {
		return 0, err
	}
	if loaded.Metadata.Sequence < ack.GetSequenceNumber() {
		return 0, fmt.Errorf("acknowledged in sequence number %d, but the table is at %d", ack.GetSequenceNumber(), loaded.Metadata.Sequence)
	}
	return time.Since(begin), nil
}

// acks measures acknowledged micro-batches of two rows from 1,000 channels of
// one table, and counts afterwards that none was lost or is there twice.
func (b *bench) acks(ctx context.Context) error {
	const channels, rounds = 1000, 8
	s, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	if _, err := s.create(ctx, "lines", retailColumns, "", nil); err != nil {
		return err
	}
	batches, err := b.rows.batches(ctx, "contributor", 1, 2)
	if err != nil {
		return err
	}
	payload, err := stream(batches[0])
	if err != nil {
		return err
	}
	each := func(one func(c int) error) (time.Duration, error) {
		var group errgroup.Group
		begin := time.Now()
		for c := range channels {
			group.Go(func() error { return one(c) })
		}
		err := group.Wait()
		return time.Since(begin), err
	}
	epochs := make([]uint64, channels)
	if _, err := each(func(c int) error {
		opened, err := s.ingest.OpenChannel(ctx, connect.NewRequest(&firnv1.OpenChannelRequest{Table: ref("lines"), Channel: fmt.Sprint("c", c)}))
		if err != nil {
			return fmt.Errorf("open channel %d: %w", c, err)
		}
		epochs[c] = opened.Msg.GetEpoch()
		return nil
	}); err != nil {
		return err
	}
	send := func(ingest firnv1connect.IngestServiceClient) func(c int) error {
		return func(c int) error {
			for i := range rounds {
				if _, err := ingest.Append(ctx, connect.NewRequest(&firnv1.AppendRequest{
					Table: ref("lines"), Channel: fmt.Sprint("c", c), Epoch: epochs[c], Offset: uint64(2 * i),
					Rows: &firnv1.AppendRequest_ArrowIpc{ArrowIpc: payload},
				})); err != nil {
					return fmt.Errorf("channel %d, batch %d: %w", c, i, err)
				}
			}
			return nil
		}
	}
	wall, err := each(send(s.ingest))
	if err != nil {
		return err
	}
	if got, err := s.count(ctx, "lines"); err != nil || got != 2*channels*rounds {
		return fmt.Errorf("the table has %d rows after %d were acknowledged: %w", got, 2*channels*rounds, err)
	}
	base, stop, err := b.staticPeer(nil)
	if err != nil {
		return err
	}
	defer stop()
	client := newHTTPClient(channels)
	defer client.CloseIdleConnections()
	peer, err := each(send(firnv1connect.NewIngestServiceClient(client, base)))
	if err != nil {
		return err
	}
	b.record(spec{group: "micro-batches, 1,000 channels", name: "acknowledged", unit: "batches/s", peer: "the same RPC without work", bar: atLeast(2000, "a second")},
		channels*rounds/wall.Seconds(), channels*rounds/peer.Seconds())
	return nil
}

// count asks the query service.
func (s *server) count(ctx context.Context, name string) (int, error) {
	answer, err := sqlstream.Open(ctx, s.query, &firnv1.QueryRequest{Sql: "SELECT count(*) FROM " + namespace + "." + name})
	if err != nil {
		return 0, err
	}
	defer answer.Close()
	n := -1
	for answer.Next() {
		if _, err := fmt.Sscan(answer.Batch().Column(0).ValueStr(0), &n); err != nil {
			return 0, err
		}
	}
	return n, answer.Err()
}

// commits measures commits to 64 tables at once, one client each: appends of
// one row (data file, manifest, list, metadata), and changes of a property
// over REST.
func (b *bench) commits(ctx context.Context) error {
	const tables, rounds = 64, 25
	s, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	batches, err := b.rows.batches(ctx, "contributor", 1, 1)
	if err != nil {
		return err
	}
	payload, err := stream(batches[0])
	if err != nil {
		return err
	}
	for i := range tables {
		if _, err := s.create(ctx, fmt.Sprint("t", i), retailColumns, "", nil); err != nil {
			return err
		}
	}
	each := func(one func(table string, round int) error) (float64, error) {
		var group errgroup.Group
		begin := time.Now()
		for i := range tables {
			group.Go(func() error {
				for round := range rounds {
					if err := one(fmt.Sprint("t", i), round); err != nil {
						return err
					}
				}
				return nil
			})
		}
		err := group.Wait()
		return tables * rounds / time.Since(begin).Seconds(), err
	}
	appends, err := each(func(name string, _ int) error {
		_, err := s.append(ctx, name, payload)
		return err
	})
	if err != nil {
		return err
	}
	properties, err := each(func(name string, round int) error {
		return s.call(ctx, http.MethodPost, tablePath(name), object{
			"requirements": []object{}, "updates": []object{{"action": "set-properties", "updates": object{"round": fmt.Sprint(round)}}},
		}, nil)
	})
	if err != nil {
		return err
	}
	syncs, err := b.fsyncs(4096, 200)
	if err != nil {
		return err
	}
	peer := 1 / report.Percentile(syncs, 0.5)
	const group, name = "commits to 64 independent tables", "one file's write and fsync after the other"
	b.record(spec{group: group, name: "appends of one row", unit: "commits/s", peer: name, bar: atLeast(500, "a second")}, appends, peer)
	b.record(spec{group: group, name: "property changes over REST", unit: "commits/s", peer: name, bar: atLeast(500, "a second")}, properties, peer)
	return nil
}

// load measures loadTable of a table with few snapshots, beside a static
// handler, in a process of its own, that sends the same bytes.
func (b *bench) load(ctx context.Context) error {
	s, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	if _, err := s.create(ctx, "lines", retailColumns, "contributor", nil); err != nil {
		return err
	}
	var batch []arrow.RecordBatch
	if batch, err = b.rows.batches(ctx, "contributor", 1, 10); err != nil {
		return err
	}
	payload, err := stream(batch[0])
	if err != nil {
		return err
	}
	for range 5 {
		if _, err := s.append(ctx, "lines", payload); err != nil {
			return err
		}
	}
	url := s.http + tablePath("lines")
	answer, err := s.client.Get(url)
	if err != nil {
		return err
	}
	loaded, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("load: %s: %w", answer.Status, err)
	}
	base, stop, err := b.staticPeer(loaded)
	if err != nil {
		return err
	}
	defer stop()
	const peer = "static handler, same bytes"
	for _, clients := range []int{1, 8, 64} {
		group := fmt.Sprintf("load table, %d client%s", clients, map[bool]string{true: "s"}[clients > 1])
		static, staticRate, err := gets(base+"/", clients, "")
		if err != nil {
			return err
		}
		ours, rate, err := gets(url, clients, "")
		if err != nil {
			return err
		}
		var p50, p99, rates bar
		if clients == 1 {
			p50 = below(0.25, "ms")
		} else {
			p99, rates = ratioAtMost(1.5), atLeast(15_000, "a second")
		}
		b.record(spec{group, "rate", "loads/s", peer, rates}, rate, staticRate)
		b.record(spec{group, "p50", "ms", peer, p50}, report.Percentile(ours, 0.5), report.Percentile(static, 0.5))
		b.record(spec{group, "p99", "ms", peer, p99}, report.Percentile(ours, 0.99), report.Percentile(static, 0.99))
		if clients == 1 {
			unchanged, _, err := gets(url, 1, answer.Header.Get("ETag"))
			if err != nil {
				return err
			}
			b.record(spec{group, "not modified (304), p50", "ms", peer, below(0.15, "ms")}, report.Percentile(unchanged, 0.5), report.Percentile(static, 0.5))
		}
	}
	return nil
}

// gets asks for url for a second and a half and answers each request's time in
// milliseconds, and the requests a second.
func gets(url string, clients int, etag string) (samples []float64, rate float64, err error) {
	client := newHTTPClient(clients)
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var group errgroup.Group
	begin := time.Now()
	warm := begin.Add(200 * time.Millisecond)
	end := warm.Add(1500 * time.Millisecond)
	for range clients {
		group.Go(func() error {
			var own []float64
			for {
				request, err := http.NewRequest(http.MethodGet, url, nil)
				if err != nil {
					return err
				}
				if etag != "" {
					request.Header.Set("If-None-Match", etag)
				}
				sent := time.Now()
				if sent.After(end) {
					break
				}
				answer, err := client.Do(request)
				if err != nil {
					return err
				}
				_, err = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				if err != nil || answer.StatusCode != http.StatusOK && (etag == "" || answer.StatusCode != http.StatusNotModified) {
					return fmt.Errorf("%s: %s: %w", url, answer.Status, err)
				}
				if sent.After(warm) {
					own = append(own, time.Since(sent).Seconds()*1000)
				}
			}
			mu.Lock()
			samples = append(samples, own...)
			mu.Unlock()
			return nil
		})
	}
	err = group.Wait()
	return samples, float64(len(samples)) / end.Sub(warm).Seconds(), err
}
