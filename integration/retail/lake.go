package retail

import (
	"context"
	"fmt"
	"net/http"

	"connectrpc.com/connect"

	"github.com/firnlake/firn/cmd/firn/sqlstream"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// CheckLake compares a running lake, which has ingested and promoted the whole
// published file, with what it must hold: silver and gold row for row, the rows
// of bronze and of the quarantine by their number, and the conservation law
// over all runs. It asks the public services only, and answers what differs.
func CheckLake(ctx context.Context, base, source string) ([]string, error) {
	v, err := Open(ctx, source)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	account, err := v.Account(ctx)
	if err != nil {
		return nil, err
	}
	query := firnv1connect.NewQueryServiceClient(http.DefaultClient, base)
	var out []string
	for _, table := range Tables {
		differences, err := compareTable(ctx, v, query, table)
		if err != nil {
			return nil, err
		}
		out = append(out, differences...)
	}
	models := firnv1connect.NewModelServiceClient(http.DefaultClient, base)
	law, err := checkLaw(ctx, models, account)
	return append(out, law...), err
}

func compareTable(ctx context.Context, v *Verifier, query firnv1connect.QueryServiceClient, table string) ([]string, error) {
	stream, err := sqlstream.Open(ctx, query, &firnv1.QueryRequest{Sql: "SELECT " + Columns(table) + " FROM " + table})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	defer stream.Close()
	return v.Compare(ctx, table, stream)
}

// checkLaw adds up the runs of silver.
func checkLaw(ctx context.Context, models firnv1connect.ModelServiceClient, a Account) ([]string, error) {
	var out []string
	want := func(what string, want int64, got uint64) {
		if uint64(want) != got {
			out = append(out, fmt.Sprintf("%s: %d, expected %d", what, got, want))
		}
	}
	quarantine, err := models.ListQuarantine(ctx, connect.NewRequest(&firnv1.ListQuarantineRequest{Limit: 1}))
	if err != nil {
		return nil, fmt.Errorf("list quarantine: %w", err)
	}
	want("quarantined rows", a.Quarantined, quarantine.Msg.GetTotal())
	byRule := map[string]uint64{}
	for _, c := range quarantine.Msg.GetCounts() {
		byRule[c.GetRule()] = c.GetRows()
	}
	want("quarantined by price_positive", a.PricePositive, byRule["price_positive"])
	want("quarantined by not_an_adjustment", a.NotAnAdjustment, byRule["not_an_adjustment"])
	want("quarantined by quantity_nonzero", a.QuantityNonzero, byRule["quantity_nonzero"])

	runs, err := models.ListRuns(ctx, connect.NewRequest(&firnv1.ListRunsRequest{Model: "silver.invoice_lines", Limit: 100_000}))
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	var read, gone uint64
	for _, r := range runs.Msg.GetRuns() {
		if r.GetState() != firnv1.RunState_RUN_STATE_SUCCEEDED {
			continue
		}
		left := r.GetSuperseded() + r.GetStale() + r.GetDeleted() + r.GetQuarantined() + r.GetDropped() + r.GetFiltered()
		if r.GetRead()+r.GetLiveBefore() != r.GetLiveAfter()+left {
			out = append(out, fmt.Sprintf("run %s breaks the conservation law", r.GetId()))
		}
		read += r.GetRead()
		gone += left
	}
	want("source rows read by silver", a.Rows, read)
	want("source rows that silver accounts for", a.Rows-a.Published, gone)
	return out, nil
}
