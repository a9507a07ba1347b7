// Package objstore is the one S3 client of the process: a [Bucket] of
// immutable objects on S3, MinIO or the embedded gateway.
//
// What it promises:
//   - A Put that returned nil is visible to every later Get, List and Stat of
//     any process (S3 is strongly consistent; so is the gateway).
//   - With PutOptions.IfAbsent exactly one of any number of racers gets nil,
//     the others get [ErrExists]; a lost answer does not change that
//     (see [Bucket.Put]).
//   - An error says which of three things happened: see [OutcomeOf]. Whoever
//     gets [Unknown] reads before he acts, and deletes nothing.
//   - No key and no location from outside reaches the store or the file system
//     unchecked: every method validates (see [CheckKey] and [Bucket.Key]).
//   - Objects are durable against a power cut when the store is a real one. The
//     embedded gateway does not fsync: there [Bucket.Sync] is the barrier.
//
// All methods may be called from any goroutine.
package objstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Config says where a bucket is.
type Config struct {
	Endpoint  string // required: "host:port", or an http(s) URL, which also decides UseTLS
	AccessKey string // empty: anonymous
	SecretKey string
	Region    string // default "us-east-1"
	Bucket    string // required
	UseTLS    bool

	// LocalRoot is the folder of the bucket when the gateway of this process
	// serves it, else "". Reads then go by path; writes always go over S3.
	LocalRoot string
	// Socket is a unix socket that reaches the same endpoint (the embedded
	// gateway's). Empty: connect to Endpoint.
	Socket string

	// WrapTransport, when set, is put around the HTTP transport: tests inject
	// faults here.
	WrapTransport func(http.RoundTripper) http.RoundTripper
}

// Bucket is an open bucket. The zero value is not usable.
type Bucket struct {
	cfg    Config
	read   *minio.Client // retries by itself: reads, lists, deletes are idempotent
	write  minio.Core    // one attempt a call: the retry rule of writes is ours (put.go)
	syncer syncer
	holds  holds

	backoff   time.Duration // before the second attempt of a put
	closeIdle func()
}

// Info describes an object. ETag has no quotes; it identifies content within
// one bucket, and is no checksum for multipart uploads.
type Info struct {
	Key      string
	Size     int64
	Modified time.Time
	ETag     string
}

const (
	defaultRegion = "us-east-1"
	openTimeout   = 10 * time.Second
	readRetries   = 4
)

// Open connects to a bucket and creates it when it is absent and the key may.
// It returns an error that names the endpoint and the remedy when the store
// does not answer, refuses the key, or the bucket is missing and forbidden to
// create.
func Open(ctx context.Context, cfg Config) (*Bucket, error) {
	cfg, err := cfg.normalised()
	if err != nil {
		return nil, err
	}
	transport, closeIdle := newTransport(cfg)
	client := func(retries int) (*minio.Client, error) {
		return minio.New(cfg.Endpoint, &minio.Options{
			Creds:        credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""),
			Secure:       cfg.UseTLS,
			Region:       cfg.Region,
			Transport:    transport,
			BucketLookup: lookupStyle(cfg.Endpoint),
			MaxRetries:   retries,
		})
	}
	read, err := client(readRetries)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: the endpoint %q is not usable: %w; give host:port or an http(s) URL", cfg.Bucket, cfg.Endpoint, err)
	}
	write, err := client(1)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", cfg.Bucket, err)
	}
	b := &Bucket{cfg: cfg, read: read, write: minio.Core{Client: write}, backoff: putBackoff, closeIdle: closeIdle}
	b.syncer.root = cfg.LocalRoot
	if err := b.ensure(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

func (c Config) normalised() (Config, error) {
	if rest, ok := strings.CutPrefix(c.Endpoint, "https://"); ok {
		c.Endpoint, c.UseTLS = rest, true
	} else if rest, ok := strings.CutPrefix(c.Endpoint, "http://"); ok {
		c.Endpoint, c.UseTLS = rest, false
	}
	c.Endpoint = strings.TrimSuffix(c.Endpoint, "/")
	c.Region = cmp.Or(c.Region, defaultRegion)
	switch {
	case c.Bucket == "":
		return c, errors.New("open bucket: no bucket is named; set s3.bucket")
	case c.Endpoint == "":
		return c, fmt.Errorf("open bucket %s: no endpoint is given; set s3.endpoint (for AWS: s3.REGION.amazonaws.com)", c.Bucket)
	case c.LocalRoot != "" && !filepath.IsAbs(c.LocalRoot):
		return c, fmt.Errorf("open bucket %s: LocalRoot %q is not an absolute path", c.Bucket, c.LocalRoot)
	}
	return c, nil
}

func (b *Bucket) ensure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	ok, err := b.write.BucketExists(ctx, b.cfg.Bucket)
	if err != nil {
		return b.openError(err)
	}
	if ok {
		return nil
	}
	err = b.write.MakeBucket(ctx, b.cfg.Bucket, minio.MakeBucketOptions{Region: b.cfg.Region})
	switch code := minio.ToErrorResponse(err).Code; {
	case err == nil, code == "BucketAlreadyOwnedByYou":
		return nil
	case refusesKey(err) && code != "AccessDenied":
		return b.openError(err) // the gateway answers 404 to a HEAD with a key it does not know
	case code == "BucketAlreadyExists":
		return fmt.Errorf("open bucket %s: it belongs to another account at %s; choose another name in s3.bucket: %w", b.cfg.Bucket, b.cfg.Endpoint, err)
	}
	return fmt.Errorf("open bucket %s: it does not exist at %s and could not be created: %w; create it, or give a key that may", b.cfg.Bucket, b.cfg.Endpoint, err)
}

func (b *Bucket) openError(err error) error {
	if refusesKey(err) {
		return fmt.Errorf("open bucket %s: %s refuses the access key %q: %w; check s3.access_key and s3.secret_key", b.cfg.Bucket, b.cfg.Endpoint, b.cfg.AccessKey, err)
	}
	return fmt.Errorf("open bucket %s: the store at %s does not answer: %w; check s3.endpoint and s3.tls, and that the store runs", b.cfg.Bucket, b.cfg.Endpoint, err)
}

// Close gives up the connections that no call is using; one that was dialled
// but never used keeps a gateway from ending for seconds. The bucket can still
// be used.
func (b *Bucket) Close() { b.closeIdle() }

// Name is the bucket's name.
func (b *Bucket) Name() string { return b.cfg.Bucket }

// Config returns what the bucket was opened with, normalised: Endpoint is
// host:port without a scheme.
func (b *Bucket) Config() Config { return b.cfg }

// EndpointURL is the endpoint with its scheme, as clients of other languages
// want it.
func (b *Bucket) EndpointURL() string {
	if b.cfg.UseTLS {
		return "https://" + b.cfg.Endpoint
	}
	return "http://" + b.cfg.Endpoint
}
