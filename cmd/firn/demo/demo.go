// Package demo is Firn's main job on real data, driven from outside: it starts
// `firn dev`, replays 541,909 rows of Online Retail as 38 contributors through
// the public services, promotes, compacts and expires, and compares what the
// lake answers with an account of its own.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"connectrpc.com/connect"

	"github.com/firnlake/firn/cmd/firn/cli"
	"github.com/firnlake/firn/internal/telemetry"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// Options of a demo.
type Options struct {
	Data     string
	Exit     bool
	Summary  string
	Project  string
	Listen   string
	S3       string
	Server   []string
	Out      io.Writer
	Progress io.Writer
}

type demo struct {
	Options
	data    *dataset
	server  *server
	summary *Summary
	begin   time.Time

	ingest  firnv1connect.IngestServiceClient
	catalog firnv1connect.CatalogServiceClient
	models  firnv1connect.ModelServiceClient
	jobs    firnv1connect.MaintenanceServiceClient
	query   firnv1connect.QueryServiceClient
}

// Run is the whole demo. It answers whether every check held; an error means
// that it could not be finished.
func Run(ctx context.Context, o Options) (held bool, err error) {
	folder := o.Data
	if folder == "" {
		if folder, err = os.MkdirTemp("", "firn-demo-"); err != nil {
			return false, fmt.Errorf("make a folder for the lake: %w", err)
		}
		defer os.RemoveAll(folder)
	} else if err := os.MkdirAll(folder, 0o755); err != nil {
		return false, fmt.Errorf("make the folder for the lake: %w", err)
	}
	d := &demo{Options: o, begin: time.Now(), summary: &Summary{Version: telemetry.BuildInfo().String(), ObjectStore: cmp.Or(o.S3, "embedded")}}
	d.note("reading the source data")
	if d.data, err = loadDataset(ctx, filepath.Join(o.Project, "data", "online_retail.parquet")); err != nil {
		return false, err
	}
	flags := append([]string{"--s3-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--compactor.row-hash"}, o.Server...)
	if o.S3 == "minio" {
		store, err := startMinIO(ctx, folder)
		if err != nil {
			return false, err
		}
		defer store.stop()
		flags = append(flags, store.flags()...)
	} else if o.S3 != "embedded" && o.S3 != "" {
		return false, fmt.Errorf("--s3 is embedded or minio, not %s", o.S3)
	}
	if d.server, err = start(ctx, folder, o.Listen, flags); err != nil {
		return false, err
	}
	defer d.server.stop()
	d.connect()
	d.summary.StartupSec, d.summary.Address = d.server.uptime.Seconds(), d.server.http
	d.note("firn dev answers at " + d.server.http)
	if err := d.steps(ctx); err != nil {
		return false, fmt.Errorf("%w\nlog of firn dev:\n%s", err, d.server.tail())
	}
	d.summary.PeakMemory = d.server.peak.Load()
	d.summary.WallSec = time.Since(d.begin).Seconds()
	d.summary.OK = d.summary.held()
	d.summary.print(o.Out)
	if o.Summary != "" {
		if err := d.summary.write(o.Summary); err != nil {
			return false, err
		}
	}
	if !o.Exit {
		fmt.Fprintf(o.Out, "\nThe page is at %s   (Ctrl-C ends it)\n", d.server.http)
		select {
		case <-ctx.Done():
		case <-d.server.ended:
			return false, errors.Join(errors.New("firn dev ended"), d.server.err)
		}
	}
	return d.summary.OK, nil
}

func (d *demo) note(text string) {
	fmt.Fprintf(d.Progress, "%6.1fs  %s\n", time.Since(d.begin).Seconds(), text)
}

func (d *demo) connect() {
	client := &http.Client{Transport: &http.Transport{
		DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, MaxIdleConnsPerHost: 64,
	}}
	d.ingest = firnv1connect.NewIngestServiceClient(client, d.server.http)
	d.catalog = firnv1connect.NewCatalogServiceClient(client, d.server.http)
	d.models = firnv1connect.NewModelServiceClient(client, d.server.http)
	d.jobs = firnv1connect.NewMaintenanceServiceClient(client, d.server.http)
	d.query = firnv1connect.NewQueryServiceClient(client, d.server.http)
}

// steps are the stages of the demo, each timed.
func (d *demo) steps(ctx context.Context) error {
	begin := time.Now()
	files, err := cli.ReadProject(d.Project)
	if err != nil {
		return err
	}
	applied, err := d.models.Apply(ctx, connect.NewRequest(&firnv1.ApplyRequest{Files: files}))
	if err != nil {
		return fmt.Errorf("apply the models of %s: %w", d.Project, err)
	}
	d.summary.step("apply models", begin, 0, fmt.Sprintf("%d sources and models", len(applied.Msg.GetModels())))
	d.note("models applied; contributors begin to send")

	begin = time.Now()
	sent, err := Replay(ctx, d.ingest, d.data, d.Progress)
	if err != nil {
		return err
	}
	d.summary.RowsIn, d.summary.Batches = sent.Rows, sent.Batches
	d.summary.step("ingest", begin, sent.Rows, fmt.Sprintf("%s micro-batches of %d contributors, %s of Arrow", cli.Count(sent.Batches), len(d.data.feeds), cli.Bytes(sent.Bytes)))
	d.note("ingested; promoting what is left")

	begin = time.Now()
	if err := d.promote(ctx); err != nil {
		return err
	}
	rows, busy, runs, err := d.promoted(ctx)
	if err != nil {
		return err
	}
	d.summary.step("promote, after the last row", begin, 0, "until every model is up to date")
	d.summary.Steps = append(d.summary.Steps, Step{Name: "promote, all runs", Seconds: busy.Seconds(), Rows: rows, Rate: float64(rows) / busy.Seconds(), Note: fmt.Sprintf("%d runs, most of them while rows came in", runs)})
	d.note("promoted; compacting")
	if err := d.layers(ctx, true); err != nil {
		return err
	}

	begin = time.Now()
	if _, err := d.maintain(ctx, firnv1.JobKind_JOB_KIND_COMPACT); err != nil {
		return err
	}
	d.summary.step("compact, on request", begin, 0, "what the lake had not yet done by itself")
	count, in, out, bytes, took, err := d.finishedJobs(ctx)
	if err != nil {
		return err
	}
	d.summary.Steps = append(d.summary.Steps, Step{Name: "compact, all jobs", Seconds: took.Seconds(), Note: fmt.Sprintf("%d jobs, %s files of %s became %s", count, cli.Count(in), cli.Bytes(bytes), cli.Count(out))})

	begin = time.Now()
	if _, err := d.maintain(ctx, firnv1.JobKind_JOB_KIND_EXPIRE); err != nil {
		return err
	}
	d.summary.step("expire snapshots", begin, 0, "")
	begin = time.Now()
	if _, err := d.maintain(ctx, firnv1.JobKind_JOB_KIND_ORPHANS); err != nil {
		return err
	}
	d.summary.step("mark unreachable files", begin, 0, "removed after a grace of a minute, by the lake itself")
	if err := d.layers(ctx, false); err != nil {
		return err
	}
	d.note("checking against the source file")
	begin = time.Now()
	err = d.verify(ctx)
	d.summary.step("check", begin, 0, "")
	return err
}

// layers notes rows and files of every table, before or after maintenance.
func (d *demo) layers(ctx context.Context, before bool) error {
	tables, err := d.tables(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		name := cli.TableName(t.GetTable())
		layer := d.summary.layer(name)
		average := int64(0)
		if t.GetDataFiles() > 0 {
			average = int64(t.GetBytes() / t.GetDataFiles())
		}
		if before {
			layer.FilesBefore, layer.AvgBefore = int64(t.GetDataFiles()), average
			continue
		}
		layer.Rows, layer.FilesAfter, layer.AvgAfter, layer.Health = int64(t.GetRows()), int64(t.GetDataFiles()), average, t.GetHealth().GetScore()
		if layer.FilesWritten, layer.AvgWritten, err = d.written(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// written counts the data files that were ever added to a table other than by
// compaction, and their average size: what engines would read without it.
func (d *demo) written(ctx context.Context, t *firnv1.TableSummary) (files, average int64, err error) {
	var bytes int64
	after := ""
	for {
		answer, err := d.catalog.ListEvents(ctx, connect.NewRequest(&firnv1.ListEventsRequest{Table: t.GetTable(), After: after, Limit: 1000}))
		if err != nil {
			return 0, 0, fmt.Errorf("read the commit log of %s: %w", cli.TableName(t.GetTable()), err)
		}
		for _, e := range answer.Msg.GetEvents() {
			after = e.GetPosition()
			if e.GetOperation() == "replace" {
				continue
			}
			files += number(e.GetSummary()["added-data-files"])
			bytes += number(e.GetSummary()["added-files-size"])
		}
		if len(answer.Msg.GetEvents()) == 0 {
			break
		}
	}
	if files > 0 {
		average = bytes / files
	}
	return files, average, nil
}
