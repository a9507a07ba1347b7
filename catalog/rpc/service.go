// Package rpc serves firn.v1.CatalogService: what the page and the command line
// need of the catalog beyond the Iceberg REST protocol.
//
// It promises that a list of tables costs no manifest read, that every number
// comes from committed metadata, and that every error says what is wrong, why,
// and what to do about it.
package rpc

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net/http"

	connectrpc "connectrpc.com/connect"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/connect"
	"github.com/firnlake/firn/internal/lake"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// HealthSource says how healthy a table is; nil when it does not know yet. It
// answers from memory: lists ask it once a table.
type HealthSource interface {
	Health(tableID uuid.UUID) *firnv1.Health
}

// FileSource lists the live data and delete files of a snapshot. *lake.Lake is
// one, with a cache; Manifests makes one without.
type FileSource interface {
	Entries(ctx context.Context, meta table.Metadata, snapshotID int64) iter.Seq2[lake.Entry, error]
}

// Config is what the service needs.
type Config struct {
	Catalog *catalog.Catalog // required
	Files   FileSource       // required
	// Health is optional; without it tables carry no health.
	Health HealthSource
	// Connect is what connect snippets point at; its table is filled in here.
	Connect connect.Target
	// TargetFileBytes is the file size to aim at where a table's properties
	// name none. Default 128 MiB.
	TargetFileBytes uint64
	// Logger defaults to one that drops everything.
	Logger *slog.Logger
}

// Service implements firnv1connect.CatalogServiceHandler.
type Service struct {
	firnv1connect.UnimplementedCatalogServiceHandler
	cat     *catalog.Catalog
	files   FileSource
	health  HealthSource
	connect connect.Target
	target  uint64
	log     *slog.Logger
}

const defaultTarget = 128 << 20

// New checks the configuration.
func New(cfg Config) (*Service, error) {
	if cfg.Catalog == nil || cfg.Files == nil {
		return nil, errors.New("catalog/rpc: Config.Catalog and Config.Files are required")
	}
	if cfg.TargetFileBytes == 0 {
		cfg.TargetFileBytes = defaultTarget
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{
		cat: cfg.Catalog, files: cfg.Files, health: cfg.Health,
		connect: cfg.Connect, target: cfg.TargetFileBytes, log: cfg.Logger,
	}, nil
}

// Handler is the service's path and handler.
func (s *Service) Handler(opts ...connectrpc.HandlerOption) (string, http.Handler) {
	return firnv1connect.NewCatalogServiceHandler(s, opts...)
}

// ident reads a table name from a request.
func ident(ref *firnv1.TableRef) (catalog.Ident, error) {
	if ref == nil {
		return catalog.Ident{}, &userError{
			code: connectrpc.CodeInvalidArgument, what: "no table is named",
			why: "the request has no table field", do: `send table: {"namespace": ["a"], "name": "t"}`,
		}
	}
	id := catalog.Ident{Namespace: ref.GetNamespace(), Name: ref.GetName()}
	return id, id.Validate()
}

func ref(id catalog.Ident) *firnv1.TableRef {
	return &firnv1.TableRef{Namespace: id.Namespace, Name: id.Name}
}

// load reads the table that a request names.
func (s *Service) load(ctx context.Context, r *firnv1.TableRef) (*catalog.Table, error) {
	id, err := ident(r)
	if err != nil {
		return nil, err
	}
	return s.cat.LoadTable(ctx, id)
}
