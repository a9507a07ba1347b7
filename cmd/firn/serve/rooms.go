package serve

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"connectrpc.com/connect"

	"github.com/firnlake/firn/catalog"
	snippets "github.com/firnlake/firn/catalog/connect"
	"github.com/firnlake/firn/catalog/rest"
	"github.com/firnlake/firn/catalog/rpc"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/medallion"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/schedule"
	"github.com/firnlake/firn/internal/config"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/lifecycle"
	"github.com/firnlake/firn/internal/telemetry"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
	"github.com/firnlake/firn/query"
	"github.com/firnlake/firn/web"
	"github.com/firnlake/firn/writer"
)

// rooms constructs what the roles ask for, on one catalog, and answers the
// handler of the one listener. Parts are added in the order in which they
// start; they stop the other way round, so the catalog outlives the writer's
// last commit.
func (p *process) rooms(ctx context.Context) (http.Handler, error) {
	// The folder is locked, so what lies there is of a process that is gone.
	// Its id says nothing: in a container the next one may have the same.
	if err := os.RemoveAll(p.dir.Path("tmp")); err != nil {
		return nil, fmt.Errorf("remove old temporary files: %w", err)
	}
	if err := os.MkdirAll(p.dir.Path("tmp"), 0o755); err != nil {
		return nil, fmt.Errorf("make the folder for temporary files: %w", err)
	}
	cat, err := catalog.New(catalog.Config{Store: p.store, Bucket: p.bucket, Warehouse: p.cfg.Warehouse, Logger: p.log, Registerer: p.registry})
	if err != nil {
		return nil, fmt.Errorf("open the catalog: %w", err)
	}
	p.parts = append(p.parts, lifecycle.Part{Name: "catalog", Run: cat.Run})
	p.lake, err = lake.New(lake.Config{
		Bucket: p.bucket, CacheDir: p.dir.Path("cache"), CacheBytes: int64(p.cfg.Cache.Disk),
		MetadataCacheBytes: int64(p.cfg.Cache.Metadata), Registerer: p.registry,
	})
	if err != nil {
		return nil, fmt.Errorf("open the file cache: %w", err)
	}
	p.closers = append(p.closers, func() error { p.lake.Close(); return nil })

	mux := http.NewServeMux()
	handle := func(path string, h http.Handler) { mux.Handle(path, h) }
	policy := plan.DefaultPolicy()
	policy.Target = int64(p.cfg.Compactor.TargetFile)
	policy.RowHash = p.cfg.Compactor.RowHash

	if p.cfg.Has(config.RoleWriter) {
		w, err := writer.New(writer.Config{
			Catalog: cat, Bucket: p.bucket, MemoryBytes: int64(p.cfg.Writer.ByteBudget), RequestBytes: int(p.cfg.Writer.MaxRequest),
			GroupWait: p.cfg.Writer.CommitWait, Logger: p.log, Registerer: p.registry,
		})
		if err != nil {
			return nil, fmt.Errorf("open the writer: %w", err)
		}
		p.parts = append(p.parts, lifecycle.Part{Name: "writer", Run: w.Run})
		handle(w.Handler(strictRequests()...))
	}
	var health rpc.HealthSource
	reads := scans{lake: p.lake}
	if p.cfg.Has(config.RoleCompactor) {
		service, err := p.compactor(ctx, cat, policy, handle)
		if err != nil {
			return nil, err
		}
		health, reads.observe = service, service.ObserveScan
	}
	if p.cfg.Has(config.RoleQuery) {
		pool, err := p.pool("query", p.cfg.Query.Workers, p.cfg.Query.Memory)
		if err != nil {
			return nil, err
		}
		q, err := query.New(query.Config{
			Catalog: cat, Lake: reads, Pool: pool, Timeout: p.cfg.Query.Timeout, MaxRows: uint64(p.cfg.Query.MaxRows),
			Logger: p.log, Registerer: p.registry,
		})
		if err != nil {
			return nil, fmt.Errorf("open the query service: %w", err)
		}
		p.closers = append(p.closers, func() error { q.Close(); return nil })
		p.parts = append(p.parts, lifecycle.Part{Name: "query", Run: q.Run})
		handle(small(q.Handler(smallRequests()...)))
	}
	if p.cfg.Has(config.RoleCatalog) {
		if err := p.catalogSurfaces(cat, health, reads, uint64(policy.Target), handle); err != nil {
			return nil, err
		}
	}
	if p.cfg.Has(config.RolePage) {
		handle("/", web.Handler())
	}
	for role, services := range map[config.Role][]string{
		config.RoleCatalog:   {firnv1connect.CatalogServiceName},
		config.RoleWriter:    {firnv1connect.IngestServiceName},
		config.RoleCompactor: {firnv1connect.MaintenanceServiceName, firnv1connect.ModelServiceName},
		config.RoleQuery:     {firnv1connect.QueryServiceName},
	} {
		if !p.cfg.Has(role) {
			for _, service := range services {
				handle("/"+service+"/", withoutRole(role))
			}
		}
	}
	handle("GET /livez", http.HandlerFunc(lifecycle.ServeLive))
	handle("GET /readyz", http.HandlerFunc(p.readiness.ServeReady))
	handle("GET /metrics", telemetry.MetricsHandler(p.registry))
	return telemetry.RequestMetrics(p.registry, nil, p.protect(nosniff(mux))), nil
}

// withoutRole answers calls of a service whose role this process does not have.
func withoutRole(role config.Role) http.Handler {
	answers := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = answers.Write(w, r, connect.NewError(connect.CodeUnimplemented,
			fmt.Errorf("this process does not have the role %s\nits configuration names other roles only\nadd %s to its roles, or call the process that has it", role, role)))
	})
}

// nosniff keeps browsers from taking an answer for a page or a script.
func nosniff(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// catalogSurfaces are the Iceberg REST protocol and CatalogService.
func (p *process) catalogSurfaces(cat *catalog.Catalog, health rpc.HealthSource, reads scans, target uint64, handle func(string, http.Handler)) error {
	to := snippets.Target{Endpoint: p.address, Warehouse: p.cfg.Warehouse, S3Endpoint: p.s3Endpoint, Region: p.cfg.S3.Region}
	var keys *rest.DevCredentials
	if p.mode.Dev {
		to.AccessKey, to.SecretKey = p.cfg.S3.AccessKey, p.cfg.S3.SecretKey
		keys = &rest.DevCredentials{Endpoint: p.s3Endpoint, Region: p.cfg.S3.Region, AccessKey: to.AccessKey, SecretKey: to.SecretKey}
	}
	protocol, err := rest.New(rest.Config{Catalog: cat, DevCredentials: keys, OnReport: reads.report, Logger: p.log, Registerer: p.registry})
	if err != nil {
		return fmt.Errorf("open the Iceberg REST surface: %w", err)
	}
	handle("/v1/", protocol)
	service, err := rpc.New(rpc.Config{Catalog: cat, Files: p.lake, Health: health, Connect: to, TargetFileBytes: target, Logger: p.log})
	if err != nil {
		return fmt.Errorf("open the catalog service: %w", err)
	}
	handle(small(service.Handler(smallRequests()...)))
	return nil
}

// compactor is maintenance and promotion: two services over one pool of
// workers.
func (p *process) compactor(ctx context.Context, cat *catalog.Catalog, policy plan.Policy, handle func(string, http.Handler)) (*compactor.Service, error) {
	// A rewrite and a promotion may go on at once.
	pool, err := p.pool("compactor", p.cfg.Compactor.Workers+1, p.cfg.Compactor.Memory)
	if err != nil {
		return nil, err
	}
	models, err := medallion.New(medallion.Config{
		Catalog: cat, Store: p.store, Bucket: p.bucket, Lake: p.lake, Pool: pool, TempDir: p.dir.Path("tmp", "promote"),
		Logger: p.log, Registerer: p.registry,
	})
	if err != nil {
		return nil, fmt.Errorf("open the model service: %w", err)
	}
	cfg := compactor.Config{
		Catalog: cat, Store: p.store, Bucket: p.bucket, Lake: p.lake, Pool: pool, TempDir: p.dir.Path("tmp", "compact"),
		Workers: p.cfg.Compactor.Workers, Policy: &policy, Grace: p.cfg.Compactor.Grace, OrphanEvery: p.cfg.Compactor.OrphanEvery,
		Promote: promotion(models.Promote), Logger: p.log, Registerer: p.registry,
		Alone: true, // bbolt's file lock
	}
	for _, x := range p.cfg.Compactor.Policy {
		if cfg.Properties == nil {
			cfg.Properties = map[string]string{}
		}
		cfg.Properties[x.Key] = x.Value
	}
	for _, dir := range []string{p.dir.Path("tmp", "promote"), cfg.TempDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("make the folder for temporary files: %w", err)
		}
	}
	service, err := compactor.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("open the compactor: %w", err)
	}
	for _, s := range p.cfg.Compactor.Schedules {
		if err := putSchedule(ctx, service, s); err != nil {
			return nil, err
		}
	}
	p.parts = append(p.parts, lifecycle.Part{Name: "compactor", Run: service.Run}, lifecycle.Part{Name: "models", Run: models.Run})
	handle(small(service.Handler(smallRequests()...)))
	handle(small(models.Handler(smallRequests()...)))
	return service, nil
}

// promotion runs a model, for jobs, until it is up to date. Rows are told as part of
// the step: done and total of a job's progress are bytes.
func promotion(promote func(ctx context.Context, model string) (medallion.Run, error)) func(context.Context, string, func(string, int64, int64)) (jobs.Outcome, error) {
	return func(ctx context.Context, model string, progress func(step string, done, total int64)) (jobs.Outcome, error) {
		var outcome jobs.Outcome
		for {
			run, err := promote(ctx, model)
			if err != nil {
				return outcome, err
			}
			outcome.Rows += run.Read
			if run.SnapshotID != 0 {
				outcome.SnapshotID = run.SnapshotID
			}
			outcome.Proof = map[string]string{"run": run.ID, "conservation": fmt.Sprintf(
				"read %d + live before %d = live after %d + superseded %d + stale %d + deleted %d + quarantined %d + dropped %d + filtered %d",
				run.Read, run.LiveBefore, run.LiveAfter, run.Superseded, run.Stale, run.Deleted, run.Quarantined, run.Dropped, run.Filtered)}
			progress(fmt.Sprintf("published %d rows", outcome.Rows), 0, 0)
			if !run.More {
				return outcome, nil
			}
		}
	}
}

// putSchedule stores a schedule of the configuration. One that has not changed
// keeps its history, so a restart fires nothing twice.
func putSchedule(ctx context.Context, service *compactor.Service, s config.Schedule) error {
	want := schedule.Definition{
		Name: s.Name, Cron: s.Cron, TimeZone: s.TimeZone, Kind: jobs.Kind(s.Kind), Windows: s.Windows,
		Outside: schedule.Outside(s.Outside), Overlap: schedule.Overlap(s.Overlap), Missed: schedule.Missed(s.Missed),
	}
	switch {
	case want.Kind == compactor.KindPromote:
		want.Model = s.Table
	case s.Table != "" && s.Table != "*":
		ident, err := catalog.ParseIdent(s.Table)
		if err != nil {
			return fmt.Errorf("schedule %s: %w", s.Name, err)
		}
		want.Namespace, want.Table = ident.Namespace, ident.Name
	}
	if _, err := service.PutSchedule(ctx, want, false); err != nil {
		return fmt.Errorf("store schedule %s: %w", s.Name, err)
	}
	return nil
}
