// Package resttest serves a real catalog over a real socket for tests: the
// memory store, which can be told to fail, a bucket on the embedded gateway, and
// the REST surface in development mode.
package resttest

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/catalog/rest"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
)

// Fixture is a served catalog. All of it ends with the test.
type Fixture struct {
	URL     string // of the REST catalog, without /v1
	Store   *memstore.Store
	Bucket  *objstore.Bucket
	Catalog *catalog.Catalog
	Server  *rest.Server
}

// New serves an empty catalog. change may alter the REST configuration.
func New(t testing.TB, change ...func(*rest.Config)) *Fixture {
	t.Helper()
	f := &Fixture{Store: memstore.New(), Bucket: objstoretest.New(t)}
	var err error
	if f.Catalog, err = catalog.New(catalog.Config{Store: f.Store, Bucket: f.Bucket}); err != nil {
		t.Fatalf("open the catalog: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Catalog.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the catalog ended with: %v", err)
		}
	})

	bucket := f.Bucket.Config()
	cfg := rest.Config{Catalog: f.Catalog, DevCredentials: &rest.DevCredentials{
		Endpoint: bucket.Endpoint, Region: bucket.Region, AccessKey: bucket.AccessKey, SecretKey: bucket.SecretKey,
	}}
	for _, c := range change {
		c(&cfg)
	}
	if f.Server, err = rest.New(cfg); err != nil {
		t.Fatalf("serve the catalog: %v", err)
	}
	server := httptest.NewServer(f.Server)
	t.Cleanup(server.Close)
	f.URL = server.URL
	return f
}
