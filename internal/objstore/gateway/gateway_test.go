package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/versity/versitygw/backend/meta"
)

func config(t *testing.T) Config {
	return Config{Dir: filepath.Join(t.TempDir(), "s3"), Listen: "127.0.0.1:0", AccessKey: "key", SecretKey: "secret-key"}
}

func startGateway(t *testing.T, cfg Config) *Gateway {
	t.Helper()
	g, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return g
}

func client(t *testing.T, g *Gateway) *minio.Client {
	t.Helper()
	c, err := minio.New(g.Endpoint(), &minio.Options{Creds: credentials.NewStaticV4("key", "secret-key", ""), Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// roundTrip makes a bucket and an object and checks where the bytes lie.
func roundTrip(t *testing.T, g *Gateway) *minio.Client {
	t.Helper()
	ctx, c := t.Context(), client(t, g)
	if err := c.MakeBucket(ctx, "lake", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	info, err := c.PutObject(ctx, "lake", "a/b", strings.NewReader("hello"), 5, minio.PutObjectOptions{UserMetadata: map[string]string{"Who": "me"}})
	if err != nil {
		t.Fatal(err)
	}
	st, err := c.StatObject(ctx, "lake", "a/b", minio.StatObjectOptions{})
	if err != nil || st.ETag != info.ETag || st.UserMetadata["Who"] != "me" {
		t.Fatalf("%+v, %v", st, err)
	}
	if text, err := os.ReadFile(filepath.Join(g.LocalRoot("lake"), "a", "b")); err != nil || string(text) != "hello" {
		t.Fatalf("%q, %v", text, err)
	}
	return c
}

func TestTheWorkingDirectoryStays(t *testing.T) {
	t.Chdir(t.TempDir())
	before, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(t)
	cfg.Dir = "relative/s3"
	g := startGateway(t, cfg)
	roundTrip(t, g)
	if after, err := os.Getwd(); err != nil || after != before {
		t.Fatalf("the working directory moved from %s to %s, %v", before, after, err)
	}
	if g.LocalRoot("lake") != filepath.Join(before, "relative/s3/lake") {
		t.Fatal(g.LocalRoot("lake"))
	}
	// Later moves do not matter either.
	t.Chdir(t.TempDir())
	if _, err := client(t, g).StatObject(t.Context(), "lake", "a/b", minio.StatObjectOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestOneGatewayAtATime(t *testing.T) {
	cfg := config(t)
	g := startGateway(t, cfg)
	if _, err := Start(t.Context(), config(t)); err == nil || !strings.Contains(err.Error(), "one runs in this process already") {
		t.Fatalf("second gateway: %v", err)
	}
	roundTrip(t, g)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	// The next one serves what the first has kept.
	g2 := startGateway(t, cfg)
	if _, err := client(t, g2).StatObject(t.Context(), "lake", "a/b", minio.StatObjectOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestStartErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no account":   {func(c *Config) { c.SecretKey = "" }, "required"},
		"no folder":    {func(c *Config) { c.Dir = "" }, "required"},
		"a file":       {func(c *Config) { c.Dir = file }, "not a directory"},
		"a taken port": {func(c *Config) { c.Listen = taken.Addr().String() }, "gateway.listen"},
		"no address":   {func(c *Config) { c.Listen = "nonsense" }, "gateway.listen"},
	} {
		cfg := config(t)
		c.change(&cfg)
		g, err := Start(t.Context(), cfg)
		if err == nil {
			g.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	startGateway(t, config(t)) // a refused start leaves the way free
}

func TestTheContextStopsIt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g, err := Start(ctx, config(t))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", g.Endpoint()); err == nil {
		c.Close()
		t.Fatal("it still listens")
	}
}

func TestAnswersCarryNamesNotPaths(t *testing.T) {
	g := startGateway(t, config(t))
	c := roundTrip(t, g)
	ctx, core := t.Context(), minio.Core{Client: c}
	_, err := c.GetBucketLocation(ctx, "lake")
	if err != nil {
		t.Fatal(err)
	}
	list, err := core.ListObjectsV2("lake", "", "", "", "/", 10)
	if err != nil || list.Name != "lake" {
		t.Fatalf("%+v, %v", list, err)
	}
	v1, err := core.ListObjects("lake", "", "", "", 10)
	if err != nil || v1.Name != "lake" || len(v1.Contents) != 1 {
		t.Fatalf("%+v, %v", v1, err)
	}
	buckets, err := c.ListBuckets(ctx)
	if err != nil || len(buckets) != 1 || buckets[0].Name != "lake" {
		t.Fatalf("%+v, %v", buckets, err)
	}
	for _, err := range []error{
		func() error { _, err := c.StatObject(ctx, "lake", "none", minio.StatObjectOptions{}); return err }(),
		func() error {
			_, _, _, err := core.GetObject(ctx, "nobucket", "x", minio.GetObjectOptions{})
			return err
		}(),
		c.MakeBucket(ctx, "lake", minio.MakeBucketOptions{}),
		c.RemoveBucket(ctx, "lake"),
		c.SetBucketPolicy(ctx, "lake", `{"Version":"2012-10-17","Statement":[]}`),
	} {
		resp, ok := errors.AsType[minio.ErrorResponse](err)
		if !ok {
			t.Errorf("no error: %v", err)
		}
		if strings.Contains(resp.BucketName+resp.Message+resp.Resource+resp.Key, g.dir) {
			t.Errorf("the folder shows: %+v", resp)
		}
	}

	id, err := core.NewMultipartUpload(ctx, "lake", "multi", minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	part := bytes.Repeat([]byte("p"), 5<<20)
	p1, err := core.PutObjectPart(ctx, "lake", "multi", id, 1, bytes.NewReader(part), int64(len(part)), minio.PutObjectPartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	uploads, err := core.ListMultipartUploads(ctx, "lake", "", "", "", "", 10)
	if err != nil || uploads.Bucket != "lake" || len(uploads.Uploads) != 1 {
		t.Fatalf("%+v, %v", uploads, err)
	}
	parts, err := core.ListObjectParts(ctx, "lake", "multi", id, 0, 10)
	if err != nil || parts.Bucket != "lake" || len(parts.ObjectParts) != 1 {
		t.Fatalf("%+v, %v", parts, err)
	}
	done, err := core.CompleteMultipartUpload(ctx, "lake", "multi", id, []minio.CompletePart{{PartNumber: 1, ETag: p1.ETag}}, minio.PutObjectOptions{})
	if err != nil || done.Bucket != "lake" || strings.Contains(done.Location, g.dir) {
		t.Fatalf("%+v, %v", done, err)
	}
	id, err = core.NewMultipartUpload(ctx, "lake", "given-up", minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := core.AbortMultipartUpload(ctx, "lake", "given-up", id); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"multi", "a/b"} {
		if err := c.RemoveObject(ctx, "lake", key, minio.RemoveObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.RemoveBucket(ctx, "lake"); err != nil {
		t.Fatal(err)
	}
}

// TestETagsAreHonoured: ETags are no MD5 here, clients must not notice.
func TestETagsAreHonoured(t *testing.T) {
	g := startGateway(t, config(t))
	c := roundTrip(t, g)
	ctx := t.Context()
	first, err := c.StatObject(ctx, "lake", "a/b", minio.StatObjectOptions{})
	if err != nil || first.ETag == "" {
		t.Fatal(err)
	}
	get := func(etag string) error {
		var opts minio.GetObjectOptions
		if err := opts.SetMatchETag(etag); err != nil {
			t.Fatal(err)
		}
		_, err := c.StatObject(ctx, "lake", "a/b", opts)
		return err
	}
	if err := get(first.ETag); err != nil {
		t.Errorf("If-Match with the ETag: %v", err)
	}
	for _, body := range []string{"other", "hello"} {
		// The store checks a body against the MD5 that a client sends.
		if _, err := c.PutObject(ctx, "lake", "a/b", strings.NewReader(body), 5, minio.PutObjectOptions{SendContentMd5: true}); err != nil {
			t.Fatal(err)
		}
		if err := get(first.ETag); (err == nil) != (body == "hello") {
			t.Errorf("If-Match after a put of %q: %v", body, err)
		}
	}
	var opts minio.PutObjectOptions
	opts.SetMatchETag("0000")
	if _, err := c.PutObject(ctx, "lake", "a/b", strings.NewReader("x"), 1, opts); minio.ToErrorResponse(err).Code != "PreconditionFailed" {
		t.Errorf("conditional replace with a wrong ETag: %v", err)
	}
	opts = minio.PutObjectOptions{}
	opts.SetMatchETag(first.ETag)
	if _, err := c.PutObject(ctx, "lake", "a/b", strings.NewReader("x"), 1, opts); err != nil {
		t.Errorf("conditional replace with the right ETag: %v", err)
	}
}

// TestNoPathEscapes: requests whose bucket or key would leave the folder.
func TestNoPathEscapes(t *testing.T) {
	cfg := config(t)
	g := startGateway(t, cfg)
	roundTrip(t, g)
	secret := filepath.Join(filepath.Dir(cfg.Dir), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &rooted{dir: g.dir}
	for _, bucket := range []string{"..", ".", "", "../x", "/etc", "a/b", `a\b`, "a\x00"} {
		if p := r.abs(bucket); p != filepath.Join(g.dir, ".no-such-bucket") {
			t.Errorf("bucket %q is %s", bucket, p)
		}
	}
	for _, target := range []string{"/../secret", "/lake/../../secret", "/lake/%2e%2e/%2e%2e/secret", "/%2e%2e/secret", "/lake/..%2f..%2fsecret"} {
		conn, err := net.Dial("tcp", g.Endpoint())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "GET "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		answer, err := io.ReadAll(conn)
		conn.Close()
		if err != nil || bytes.HasPrefix(answer, []byte("HTTP/1.1 2")) || bytes.HasSuffix(answer, []byte("secret")) {
			t.Errorf("%s: %q, %v", target, answer, err)
		}
	}
}

// TestSidecar: a file system without extended attributes.
func TestSidecar(t *testing.T) {
	side := t.TempDir()
	store, err := meta.NewSideCar(side)
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(t)
	cfg.metadata = func(string) (meta.MetadataStorer, error) { return store, nil }
	g := startGateway(t, cfg)
	roundTrip(t, g)
	entries, err := os.ReadDir(side)
	if err != nil || len(entries) == 0 {
		t.Fatalf("the sidecar is empty: %v", err)
	}
}

func TestMetadataStoreFallsBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "s3")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if s, err := metadataStore(dir, func(string) error { return nil }); err != nil {
		t.Fatal(err)
	} else if _, ok := s.(meta.XattrMeta); !ok {
		t.Fatalf("%T", s)
	}
	s, err := metadataStore(dir, func(string) error { return errors.ErrUnsupported })
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.(meta.SideCar); !ok {
		t.Fatalf("%T", s)
	}
	if _, err := os.Stat(dir + ".meta"); err != nil {
		t.Fatal(err)
	}
	if err := probeXattr(filepath.Join(dir, "absent")); err == nil {
		t.Error("a probe in an absent folder passed")
	}
}
