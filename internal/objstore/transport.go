package objstore

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// idleConns is how many idle connections to the store are kept: committers and
// writers put many small objects at once, and a new TLS connection costs more
// than the put.
const idleConns = 256

// newTransport answers the way to the store, and what closes its connections
// that are not in use.
func newTransport(cfg Config) (way http.RoundTripper, closeIdle func()) {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	dial := dialer.DialContext
	if cfg.Socket != "" {
		dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", cfg.Socket)
		}
	}
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dial,
		MaxIdleConns:          idleConns,
		MaxIdleConnsPerHost:   idleConns,
		IdleConnTimeout:       60 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: 10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        64 << 10,
		DisableCompression:    true, // objects are compressed; sizes must be true
	}
	if cfg.Socket != "" {
		t.Proxy = nil
	}
	if cfg.WrapTransport != nil {
		return cfg.WrapTransport(t), t.CloseIdleConnections
	}
	return t, t.CloseIdleConnections
}

// lookupStyle is path style everywhere but on AWS: MinIO and the gateway have
// no wildcard DNS.
func lookupStyle(endpoint string) minio.BucketLookupType {
	if strings.Contains(endpoint, "amazonaws.com") {
		return minio.BucketLookupAuto
	}
	return minio.BucketLookupPath
}
