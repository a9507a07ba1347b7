package engines

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firnlake/firn/integration/harness"
)

// Lake is a running `firn dev` with a bucket on the store under test.
type Lake struct {
	*harness.Firn
	Warehouse string
	// Where the files are, for engines that have to be told and for checks
	// beside Firn. S3Endpoint has its scheme.
	S3Endpoint, Region, Bucket string
	AccessKey, SecretKey       string

	catalog  string
	extra    int
	attached map[string]engine // by engine and catalog
}

// Store is the object store of this run: embedded, or minio by S3=minio.
func Store() string {
	if store := os.Getenv("S3"); store != "" {
		return store
	}
	return "embedded"
}

// keys of the test's own, so that no engine works with keys it has from
// elsewhere.
const (
	accessKey = "firn-engines"
	secretKey = "firn-engines-secret"
)

// lakes counts the lakes of this process: each is a catalog of its own name.
var lakes int

// NewLake starts `firn dev` on a fresh folder and a fresh bucket. Both end with
// the test.
func NewLake(t testing.TB, flags ...string) *Lake {
	t.Helper()
	return OpenLake(t, filepath.Join(t.TempDir(), "lake"), flags...)
}

// OpenLake is NewLake on a folder that may hold a lake already. On MinIO the
// files are in the folder's subfolder minio.
func OpenLake(t testing.TB, data string, flags ...string) *Lake {
	t.Helper()
	lakes++
	l := &Lake{
		Warehouse: "default", Region: "us-east-1", Bucket: "lake", AccessKey: accessKey, SecretKey: secretKey,
		catalog: fmt.Sprintf("firn%d", lakes), attached: map[string]engine{},
	}
	args := []string{"--s3.access-key", accessKey, "--s3.secret-key", secretKey}
	switch Store() {
	case "embedded":
	case "minio":
		store := harness.StartMinIOIn(t, filepath.Join(data, "minio"), accessKey, secretKey)
		args = store.Flags(l.Bucket)
		l.S3Endpoint = "http://" + store.Endpoint
	default:
		t.Fatalf("S3=%s is neither embedded nor minio", Store())
	}
	l.Firn = harness.Start(t, data, append(args, flags...)...)
	if l.S3Endpoint == "" {
		l.S3Endpoint = "http://" + strings.TrimPrefix(l.S3, "http://")
	}
	return l
}

// On is this lake in an engine. The engine is started when it does not run; of
// the engines on a JVM the other one ends.
func (l *Lake) On(t testing.TB, name Name) *Session {
	t.Helper()
	return l.attach(t, name, start(t, name, false), l.catalog, nil)
}

// Beside is On without ending another engine, for journeys that need Spark and
// Trino at the same time: 4 GB.
func (l *Lake) Beside(t testing.TB, name Name) *Session {
	t.Helper()
	return l.attach(t, name, start(t, name, true), l.catalog, nil)
}

// With is On as a second catalog, with the engine's own settings for a catalog
// that add to what On attaches with; an empty value takes one away. Each call
// is a catalog of its own.
func (l *Lake) With(t testing.TB, name Name, settings map[string]string) *Session {
	t.Helper()
	l.extra++
	return l.attach(t, name, start(t, name, false), fmt.Sprintf("%s_%d", l.catalog, l.extra), settings)
}

func (l *Lake) attach(t testing.TB, name Name, e engine, catalog string, settings map[string]string) *Session {
	t.Helper()
	key := string(name) + " " + catalog
	if l.attached[key] != e {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := e.attach(ctx, catalog, l, settings); err != nil {
			t.Fatalf("attach the lake to %s: %v", name, err)
		}
		l.attached[key] = e
		if d, ok := e.(interface{ detach(catalog string) }); ok {
			// DuckDB looks a name that it does not find up in all its catalogs,
			// also in those of lakes that have ended.
			t.Cleanup(func() {
				delete(l.attached, key)
				d.detach(catalog)
			})
		}
	}
	return &Session{Engine: name, Catalog: catalog, Lake: l, engine: e}
}

// with adds settings to properties, or takes away those that are empty.
func with(properties, settings map[string]string) map[string]string {
	for key, value := range settings {
		properties[key] = value
		if value == "" {
			delete(properties, key)
		}
	}
	return properties
}
