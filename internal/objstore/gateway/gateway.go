// Package gateway serves a folder of this machine as S3: versitygw, embedded,
// so that a laptop needs no object store and Spark on it still finds one.
package gateway

import (
	"context"
	"errors"
)

// Config says what to serve and where.
type Config struct {
	Dir       string // required: buckets are folders in it, objects files at bucket/key
	Listen    string // default 127.0.0.1:7070; port 0 takes a free one
	AccessKey string // required
	SecretKey string // required
	Region    string // default us-east-1
}

// Gateway is a running gateway.
type Gateway struct {
	endpoint, socket string
	done             chan struct{}
	err              error
	stop             context.CancelFunc
}

// Start serves until Close. One gateway may run in a process.
func Start(ctx context.Context, cfg Config) (*Gateway, error) {
	return nil, errors.New("gateway: not linked yet")
}

// Endpoint is the host:port that S3 clients connect to.
func (g *Gateway) Endpoint() string { return g.endpoint }

// EndpointURL is http://host:port.
func (g *Gateway) EndpointURL() string { return "http://" + g.endpoint }

// Socket is a unix socket for clients in this process.
func (g *Gateway) Socket() string { return g.socket }

// LocalRoot is the folder of a bucket: objstore.Config.LocalRoot.
func (g *Gateway) LocalRoot(bucket string) string { return "" }

// Wait blocks until the gateway has ended and returns why.
func (g *Gateway) Wait() error { <-g.done; return g.err }

// Close stops the gateway and waits for it.
func (g *Gateway) Close() error { g.stop(); return g.Wait() }
