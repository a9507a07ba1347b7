// Package config is the configuration of a Firn process: flags over FIRN_A__B
// environment over a YAML file over defaults, checked as a whole before
// anything starts.
//
// It is strict: an unknown key, from whatever source, stops the start with the
// nearest known one. Every value knows where it came from (see [Loaded.Values]),
// secrets are never printed, and all mistakes are reported at once.
package config

import (
	"slices"
	"time"
)

// Config is what a process is started with. Keys are the lower-case names in
// the tags, joined with dots: writer.byte_budget is the flag
// --writer.byte-budget, the variable FIRN_WRITER__BYTE_BUDGET and in YAML
// `writer: { byte_budget: 512MiB }`.
type Config struct {
	// Roles is what this process does; empty is not allowed.
	Roles []Role `koanf:"roles"`
	// Data is the folder for everything this process keeps on local disk. Load
	// makes it absolute.
	Data string `koanf:"data"`
	// Warehouse is the name clients get when they name none.
	Warehouse string `koanf:"warehouse"`
	// Insecure allows addresses beyond loopback although nothing is
	// authenticated.
	Insecure bool `koanf:"insecure"`
	// Drain is how long a stop may take before the process ends regardless.
	Drain time.Duration `koanf:"drain"`

	HTTP      HTTP      `koanf:"http"`
	Metrics   Metrics   `koanf:"metrics"`
	Gateway   Gateway   `koanf:"gateway"`
	S3        S3        `koanf:"s3"`
	Store     Store     `koanf:"store"`
	Writer    Writer    `koanf:"writer"`
	Compactor Compactor `koanf:"compactor"`
	Query     Query     `koanf:"query"`
	Cache     Cache     `koanf:"cache"`
	Log       Log       `koanf:"log"`
}

// HTTP is the one listener for REST, Connect and page. In every listen address
// an absent host means loopback, never all interfaces; port 0 takes a free one.
type HTTP struct {
	Listen string `koanf:"listen"`
}

// Metrics is the listener for metrics and profiles; empty turns it off.
type Metrics struct {
	Listen string `koanf:"listen"`
}

// Gateway is the embedded S3 gateway, used when S3.Endpoint is empty.
type Gateway struct {
	Listen string `koanf:"listen"`
}

// S3 is the object store. Without an endpoint the embedded gateway serves
// Data/s3.
type S3 struct {
	Endpoint  string `koanf:"endpoint"`
	Bucket    string `koanf:"bucket"`
	Region    string `koanf:"region"`
	AccessKey string `koanf:"access_key"`
	SecretKey string `koanf:"secret_key" secret:"true"`
	TLS       bool   `koanf:"tls"`
}

// Store is the catalog store.
type Store struct {
	// Path of the bbolt file; empty is Data/store.db.
	Path string `koanf:"path"`
}

// Writer limits ingestion.
type Writer struct {
	// ByteBudget is the memory that batches in flight may hold in this process;
	// beyond it clients get RESOURCE_EXHAUSTED and a hint when to retry.
	ByteBudget ByteSize `koanf:"byte_budget"`
	// CommitWait is the longest time a batch waits for others to commit with.
	CommitWait time.Duration `koanf:"commit_wait"`
	// MaxRequest is the largest request body, before and after decompression.
	MaxRequest ByteSize `koanf:"max_request"`
}

// Compactor is table maintenance and promotion.
type Compactor struct {
	Workers    int      `koanf:"workers"`
	TargetFile ByteSize `koanf:"target_file"`
	Memory     ByteSize `koanf:"memory"` // of one rewrite
	// RowHash compares the multiset hash of all rows before and after each
	// rewrite, beside counts and sums; tables may say otherwise by the property
	// firn.compact.row-hash. On by default.
	RowHash bool `koanf:"row_hash"`
	// Grace is how long a file that nothing reaches is kept. It also protects
	// files of writers and promotions that are not committed yet: never below
	// the time such a commit may take.
	Grace time.Duration `koanf:"grace"`
	// OrphanEvery is the least time between two sweeps of one table.
	OrphanEvery time.Duration `koanf:"orphan_every"`
	Schedules   []Schedule    `koanf:"schedules"`
	// Policy are properties of tables that hold where neither a table nor its
	// namespaces nor the warehouse say otherwise.
	Policy []Property `koanf:"policy"`
}

// Property is one of Policy, as firn.compact.quiet: 30s.
type Property struct{ Key, Value string }

// Schedule starts a job at wall-clock times.
type Schedule struct {
	Name     string `koanf:"name" yaml:"name" json:"name"`
	Cron     string `koanf:"cron" yaml:"cron" json:"cron"`                // five fields, or @daily and the like
	TimeZone string `koanf:"time_zone" yaml:"time_zone" json:"time_zone"` // IANA name, default UTC
	Kind     string `koanf:"kind" yaml:"kind" json:"kind"`                // compact, rebalance, expire, manifests, orphans or promote
	Table    string `koanf:"table" yaml:"table" json:"table,omitempty"`   // "" or "*": every table
	// Windows are when it may fire, as "mon-fri 22:00-06:00"; and the policies, as
	// `firn schedule put --help` has them.
	Windows []string `koanf:"windows" yaml:"windows" json:"windows,omitempty"`
	Outside string   `koanf:"outside" yaml:"outside" json:"outside,omitempty"`
	Overlap string   `koanf:"overlap" yaml:"overlap" json:"overlap,omitempty"`
	Missed  string   `koanf:"missed" yaml:"missed" json:"missed,omitempty"`
}

// Query bounds SQL.
type Query struct {
	Workers int           `koanf:"workers"`
	Memory  ByteSize      `koanf:"memory"` // of one worker
	Timeout time.Duration `koanf:"timeout"`
	MaxRows int64         `koanf:"max_rows"`
}

// Cache bounds what is kept of immutable files.
type Cache struct {
	Metadata ByteSize `koanf:"metadata"` // memory, for metadata and manifests
	Disk     ByteSize `koanf:"disk"`     // data files of a remote store, under Data/cache
}

// Log is what goes to stderr.
type Log struct {
	Level  string `koanf:"level"`  // debug, info, warn or error
	Format string `koanf:"format"` // auto (text on a terminal, else JSON), text or json
}

// Role is a part of the service.
type Role string

// The roles. Gateway serves S3 from the local disk and is needed only when no
// S3 endpoint is configured.
const (
	RoleCatalog   Role = "catalog"
	RoleWriter    Role = "writer"
	RoleCompactor Role = "compactor"
	RoleQuery     Role = "query"
	RolePage      Role = "page"
	RoleGateway   Role = "gateway"
)

// AllRoles is every role, in the order in which they start.
func AllRoles() []Role {
	return []Role{RoleGateway, RoleCatalog, RoleWriter, RoleCompactor, RoleQuery, RolePage}
}

// Default is the configuration of `firn dev`: every role in one process on
// loopback, everything under ./.firn.
func Default() Config {
	return Config{
		Roles:     AllRoles(),
		Data:      ".firn",
		Warehouse: "default",
		Drain:     30 * time.Second,
		HTTP:      HTTP{Listen: "127.0.0.1:8181"},
		Metrics:   Metrics{Listen: "127.0.0.1:9090"},
		Gateway:   Gateway{Listen: "127.0.0.1:7070"},
		S3:        S3{Bucket: "lake", Region: "us-east-1", AccessKey: "firn", SecretKey: "firn-dev-secret"},
		Writer:    Writer{ByteBudget: 256 * MiB, CommitWait: 500 * time.Millisecond, MaxRequest: 64 * MiB},
		Compactor: Compactor{Workers: 1, TargetFile: 128 * MiB, Memory: 512 * MiB, RowHash: true, Grace: time.Hour, OrphanEvery: 15 * time.Minute},
		Query:     Query{Workers: 2, Memory: 1 * GiB, Timeout: time.Minute, MaxRows: 1_000_000},
		Cache:     Cache{Metadata: 64 * MiB, Disk: 4 * GiB},
		Log:       Log{Level: "info", Format: "auto"},
	}
}

// Has reports whether the process has a role.
func (c Config) Has(r Role) bool {
	return slices.Contains(c.Roles, r)
}

// EmbeddedS3 reports whether the gateway of this process is the object store.
func (c Config) EmbeddedS3() bool { return c.S3.Endpoint == "" }
