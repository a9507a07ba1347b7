package demo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"connectrpc.com/connect"

	"github.com/firnlake/firn/cmd/firn/sqlstream"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// The tables of the retail example.
const (
	bronze        = "bronze.invoice_lines_raw"
	silver        = "silver.invoice_lines"
	goldDaily     = "gold.daily_sales_by_country"
	goldCustomers = "gold.customer_value"
	quarantine    = "silver.invoice_lines__quarantine"
)

// values answers the single row of a query, as text.
func values(ctx context.Context, client firnv1connect.QueryServiceClient, sql string) ([]string, error) {
	stream, err := sqlstream.Open(ctx, client, &firnv1.QueryRequest{Sql: sql})
	if err != nil {
		return nil, fmt.Errorf("query %q: %w", sql, err)
	}
	defer stream.Close()
	var row []string
	for stream.Next() {
		for _, column := range stream.Batch().Columns() {
			if stream.Batch().NumRows() > 0 {
				row = append(row, column.ValueStr(0))
			}
		}
	}
	if err := stream.Err(); err != nil {
		return nil, fmt.Errorf("query %q: %w", sql, err)
	}
	return row, nil
}

// verify compares the lake, read through the public query service, with the
// account of the source file, and checks the conservation law over all runs.
func (d *demo) verify(ctx context.Context) error {
	a, err := reckon(d.data)
	if err != nil {
		return err
	}
	number := func(n int64) string { return fmt.Sprint(n) }
	type question struct {
		sql  string
		what []string
		want []string
	}
	all := a.rows * (a.rows - 1) / 2
	questions := []question{
		{
			"SELECT count(*), count(DISTINCT row_no), CAST(sum(row_no) AS BIGINT) FROM " + bronze,
			[]string{"bronze rows", "bronze rows, distinct positions", "bronze sum of positions"},
			[]string{number(a.rows), number(a.rows), number(all)},
		},
		{
			"SELECT count(*), CAST(sum(amount) AS VARCHAR) FROM " + silver,
			[]string{"silver rows", "silver sum of amount"},
			[]string{number(a.silver), milli(a.netMilli)},
		},
		{
			"SELECT count(*), CAST(sum(net_gbp) AS VARCHAR) FROM " + goldDaily,
			[]string{"gold days x countries", "gold net_gbp"},
			[]string{number(a.days), milli(a.netMilli)},
		},
		{
			"SELECT count(*) FROM " + goldCustomers,
			[]string{"gold customers"},
			[]string{number(a.customers)},
		},
	}
	for _, q := range questions {
		got, err := values(ctx, d.query, q.sql)
		if err != nil {
			return err
		}
		for i, what := range q.what {
			found := "nothing"
			if i < len(got) {
				found = got[i]
			}
			d.summary.check(what, q.want[i], found)
		}
	}
	listed, err := d.models.ListQuarantine(ctx, connect.NewRequest(&firnv1.ListQuarantineRequest{Limit: 1}))
	if err != nil {
		return fmt.Errorf("list quarantine: %w", err)
	}
	d.summary.Quarantined = map[string]int64{}
	for _, c := range listed.Msg.GetCounts() {
		d.summary.Quarantined[c.GetRule()] += int64(c.GetRows())
	}
	for _, rule := range sortedKeys(a.quarantined) {
		d.summary.check("quarantined by "+rule, number(a.quarantined[rule]), number(d.summary.Quarantined[rule]))
	}
	return d.verifyLaw(ctx, a)
}

// verifyLaw adds up all runs of silver: every source row is published,
// superseded, stale, deleted, quarantined, dropped or filtered.
func (d *demo) verifyLaw(ctx context.Context, a account) error {
	answer, err := d.models.ListRuns(ctx, connect.NewRequest(&firnv1.ListRunsRequest{Model: silver, Limit: 100_000}))
	if err != nil {
		return fmt.Errorf("list runs: %w", err)
	}
	var read, left, failed uint64
	var live uint64
	var runs int
	for _, run := range answer.Msg.GetRuns() {
		switch run.GetState() {
		case firnv1.RunState_RUN_STATE_FAILED:
			failed++
			continue
		case firnv1.RunState_RUN_STATE_SUCCEEDED:
		default:
			continue
		}
		if runs == 0 {
			live = run.GetLiveAfter() // newest first
		}
		runs++
		read += run.GetRead()
		left += run.GetSuperseded() + run.GetStale() + run.GetDeleted() + run.GetQuarantined() + run.GetDropped() + run.GetFiltered()
	}
	d.summary.check(fmt.Sprintf("silver: rows read in %d runs", runs), fmt.Sprint(a.rows), fmt.Sprint(read))
	d.summary.check("silver: live + superseded + stale + deleted + quarantined + dropped + filtered", fmt.Sprint(a.rows), fmt.Sprint(live+left))
	d.summary.check("promotions that failed", "0", fmt.Sprint(failed))
	jobs, err := d.jobs.ListJobs(ctx, connect.NewRequest(&firnv1.ListJobsRequest{States: []firnv1.JobState{firnv1.JobState_JOB_STATE_FAILED}, Limit: 10}))
	if err != nil {
		return fmt.Errorf("list jobs: %w", err)
	}
	d.summary.check("jobs that failed", "0", fmt.Sprint(len(jobs.Msg.GetJobs())))
	return d.verifyProofs(ctx)
}

// verifyProofs asks that each compaction carries the proof of its tier: the
// checksums of copied chunks, or counts, sums and the multiset hash of rows.
func (d *demo) verifyProofs(ctx context.Context) error {
	answer, err := d.jobs.ListJobs(ctx, connect.NewRequest(&firnv1.ListJobsRequest{States: []firnv1.JobState{firnv1.JobState_JOB_STATE_SUCCEEDED}, Limit: 100_000}))
	if err != nil {
		return fmt.Errorf("list jobs: %w", err)
	}
	compactions, proven := 0, 0
	for _, job := range answer.Msg.GetJobs() {
		if job.GetKind() != firnv1.JobKind_JOB_KIND_COMPACT || job.GetFilesIn() == 0 {
			continue
		}
		compactions++
		proof := job.GetProof()
		fused, rewritten := strings.Contains(job.GetTier(), "fuse"), strings.Contains(job.GetTier(), "rewrite")
		if (fused || rewritten) && (!fused || proof["chunks"] != "") && (!rewritten || proof["columns"] != "" && proof["row_hash"] != "") {
			proven++
		}
	}
	d.summary.check("compactions with a proof that no row changed", fmt.Sprint(compactions), fmt.Sprint(proven))
	return nil
}

func sortedKeys(m map[string]int64) []string { return slices.Sorted(maps.Keys(m)) }
