package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/cmd/firn/cli"
	"github.com/firnlake/firn/internal/duck"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// promote measures the promotion of the whole data set from bronze to silver
// (rules, quarantine, latest row of each key, changes, proof and commit)
// beside the same SELECT by plain DuckDB over the same files.
func (b *bench) promote(ctx context.Context) error {
	s, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	project := filepath.Join(b.root, "docs", "examples", "retail")
	all, err := cli.ReadProject(project)
	if err != nil {
		return err
	}
	source := slices.DeleteFunc(slices.Clone(all), func(f *firnv1.ModelFile) bool {
		return strings.HasPrefix(f.GetPath(), "silver/") || strings.HasPrefix(f.GetPath(), "gold/")
	})
	if _, err := s.models.Apply(ctx, connect.NewRequest(&firnv1.ApplyRequest{Files: source})); err != nil {
		return fmt.Errorf("apply the source: %w", err)
	}
	const bronze = "/v1/namespaces/bronze/tables/invoice_lines_raw"
	if err := s.call(ctx, http.MethodPost, bronze, object{"requirements": []object{}, "updates": []object{
		{"action": "set-properties", "updates": object{"firn.compact.enabled": "false"}},
	}}, nil); err != nil {
		return err
	}
	batches, err := b.rows.byCountry(ctx, 20_000)
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(8)
	for _, batch := range batches {
		group.Go(func() error {
			payload, err := stream(batch)
			if err != nil {
				return err
			}
			_, err = s.ingest.Append(ctx, connect.NewRequest(&firnv1.AppendRequest{
				Table: &firnv1.TableRef{Namespace: []string{"bronze"}, Name: "invoice_lines_raw"}, Rows: &firnv1.AppendRequest_ArrowIpc{ArrowIpc: payload},
			}))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("fill bronze: %w", err)
	}
	var head struct {
		Metadata struct {
			ID string `json:"table-uuid"`
		} `json:"metadata"`
	}
	if err := s.call(ctx, http.MethodGet, bronze, nil, &head); err != nil {
		return err
	}
	files, err := s.files(head.Metadata.ID)
	if err != nil {
		return err
	}
	silver := slices.DeleteFunc(slices.Clone(all), func(f *firnv1.ModelFile) bool { return strings.HasPrefix(f.GetPath(), "gold/") })
	before := s.cpu()
	if _, err := s.models.Apply(ctx, connect.NewRequest(&firnv1.ApplyRequest{Files: silver})); err != nil {
		return fmt.Errorf("apply silver: %w", err)
	}
	rows, seconds, err := s.promoteAll(ctx, "silver.invoice_lines")
	if err != nil {
		return err
	}
	cpu := s.cpu() - before
	if rows != float64(b.rows.all.NumRows()) {
		return fmt.Errorf("%v of %d rows were promoted", rows, b.rows.all.NumRows())
	}
	body, err := selectOf(filepath.Join(project, "silver", "invoice_lines.sql"))
	if err != nil {
		return err
	}
	plain := strings.ReplaceAll(body, "bronze.invoice_lines_raw", "read_parquet("+duck.QuoteList(files)+")")
	cost, _, err := b.duckCopy(ctx, plain, files)
	if err != nil {
		return err
	}
	latest, _, err := b.duckCopy(ctx, plain+" QUALIFY row_number() OVER (PARTITION BY InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country ORDER BY row_no DESC) = 1", files)
	if err != nil {
		return err
	}
	const name = "promotion, 541,909 rows of bronze to silver"
	b.record(spec{group: name, name: "read to committed", unit: "rows/s", peer: "plain DuckDB, same SELECT"}, rows/seconds, rows/cost.Elapsed.Seconds())
	b.record(spec{group: name, name: "read to committed", unit: "rows/s", peer: "plain DuckDB, and latest of each key"}, rows/seconds, rows/latest.Elapsed.Seconds())
	b.record(spec{group: name, name: "per core", unit: "rows/CPU-s", peer: "plain DuckDB, and latest of each key"}, rows/cpu.Seconds(), rows/latest.CPU.Seconds())
	return nil
}

// promoteAll runs a model until it is up to date, and answers the rows that all
// its runs read and the time that they took.
func (s *server) promoteAll(ctx context.Context, model string) (rows, seconds float64, err error) {
	for moved := true; moved; {
		moved = false
		runs, err := s.models.Run(ctx, connect.NewRequest(&firnv1.RunRequest{Models: []string{model}}))
		if err != nil {
			return 0, 0, fmt.Errorf("run %s: %w", model, err)
		}
		for runs.Receive() {
			run := runs.Msg().GetRun()
			moved = moved || run.GetState() == firnv1.RunState_RUN_STATE_SUCCEEDED
			if run.GetState() == firnv1.RunState_RUN_STATE_FAILED {
				_ = runs.Close()
				return 0, 0, fmt.Errorf("run %s: %s", model, run.GetError())
			}
		}
		err = runs.Err()
		_ = runs.Close()
		if err != nil {
			return 0, 0, fmt.Errorf("run %s: %w", model, err)
		}
	}
	listed, err := s.models.ListRuns(ctx, connect.NewRequest(&firnv1.ListRunsRequest{Model: model, Limit: 1000}))
	if err != nil {
		return 0, 0, fmt.Errorf("list the runs of %s: %w", model, err)
	}
	for _, run := range listed.Msg.GetRuns() {
		if run.GetState() == firnv1.RunState_RUN_STATE_SUCCEEDED {
			rows += float64(run.GetRead())
			seconds += run.GetEndedAt().AsTime().Sub(run.GetStartedAt().AsTime()).Seconds()
		}
	}
	return rows, seconds, nil
}

// selectOf is the SELECT of a model file, without its head.
func selectOf(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	_, body, ok := strings.Cut(string(text), "---*/")
	if !ok {
		return "", fmt.Errorf("%s has no head", path)
	}
	return strings.TrimSuffix(strings.TrimSpace(body), ";"), nil
}
