package gateway

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
)

func TestUnfinishedUploadsAreSwept(t *testing.T) {
	cfg := config(t)
	cfg.Dir = filepath.Join(t.TempDir(), "a [b]*", "s3")
	g := startGateway(t, cfg)
	core := minio.Core{Client: roundTrip(t, g)}
	ctx := t.Context()
	for range 2 {
		id, err := core.NewMultipartUpload(ctx, "lake", "dir/big", minio.PutObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := core.PutObjectPart(ctx, "lake", "dir/big", id, 1, strings.NewReader("part"), 4, minio.PutObjectPartOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := sweepUploads(cfg.Dir, time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Fatalf("young uploads: %d removed, %v", n, err)
	}
	if n, err := sweepUploads(cfg.Dir, time.Now().Add(time.Hour)); n != 2 || err != nil {
		t.Fatalf("old uploads: %d removed, %v", n, err)
	}
	left, err := core.ListMultipartUploads(ctx, "lake", "", "", "", "", 10)
	if err != nil || len(left.Uploads) != 0 {
		t.Fatalf("%+v, %v", left.Uploads, err)
	}
	if _, err := core.StatObject(ctx, "lake", "a/b", minio.StatObjectOptions{}); err != nil {
		t.Fatalf("an object went too: %v", err)
	}
}
