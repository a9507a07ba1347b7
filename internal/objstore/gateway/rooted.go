package gateway

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// rooted is versitygw's posix backend with absolute paths.
//
// The posix backend opens every file relative to the working directory of the
// process, which its constructor moves to the served folder: relative paths of
// everything else in the process (test data, files named on a command line)
// then silently mean something else. It joins bucket and key with
// filepath.Join, so a bucket "name" that is an absolute path frees it from the
// working directory. rooted makes these names on the way in and puts the real
// ones back on the way out, into answers and errors.
//
// Calls that Iceberg clients do not make (copies between buckets, ACLs,
// policies, tags, retention to be set, versions) answer NotImplemented.
type rooted struct {
	backend.BackendUnsupported
	posix *posix.Posix
	dir   string
}

var _ backend.Backend = (*rooted)(nil)

func (r *rooted) String() string { return "firn" }
func (r *rooted) Shutdown()      { r.posix.Shutdown() }

func (r *rooted) NormalizeObjectKey(bucket, object string) string {
	return r.posix.NormalizeObjectKey(bucket, object)
}

// abs is the absolute path of a bucket. A name that is no plain folder name
// (the front end has checked it before) names nothing.
func (r *rooted) abs(bucket string) string {
	if bucket == "" || bucket == "." || bucket == ".." || strings.ContainsAny(bucket, `/\`+"\x00") {
		bucket = ".no-such-bucket"
	}
	return filepath.Join(r.dir, bucket)
}

func (r *rooted) in(bucket *string) *string {
	if bucket == nil {
		return nil
	}
	path := r.abs(*bucket)
	return &path
}

// out puts the real bucket name into an error that carries the path.
func out(bucket *string, err error) error {
	if e, ok := errors.AsType[s3err.BucketError](err); ok && bucket != nil {
		e.BucketName = *bucket
		return e
	}
	return err
}

func (r *rooted) ListBuckets(_ context.Context, in s3response.ListBucketsInput) (s3response.ListAllMyBucketsResult, error) {
	result := s3response.ListAllMyBucketsResult{
		Owner:  s3response.CanonicalUser{ID: in.Owner},
		Prefix: in.Prefix,
	}
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return result, err
	}
	for _, e := range entries {
		name := e.Name()
		if !e.IsDir() || strings.HasPrefix(name, ".") || !strings.HasPrefix(name, in.Prefix) || name <= in.ContinuationToken {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return result, err
		}
		buckets := result.Buckets.Bucket
		if in.MaxBuckets > 0 && len(buckets) == int(in.MaxBuckets) {
			result.ContinuationToken = buckets[len(buckets)-1].Name
			break
		}
		result.Buckets.Bucket = append(buckets, s3response.ListAllMyBucketsEntry{Name: name, CreationDate: info.ModTime()})
	}
	return result, nil
}

func (r *rooted) HeadBucket(ctx context.Context, in *s3.HeadBucketInput) (*s3.HeadBucketOutput, error) {
	c := *in
	c.Bucket = r.in(in.Bucket)
	o, err := r.posix.HeadBucket(ctx, &c)
	return o, out(in.Bucket, err)
}

func (r *rooted) CreateBucket(ctx context.Context, in *s3.CreateBucketInput, acl []byte) error {
	c := *in
	c.Bucket = r.in(in.Bucket)
	return out(in.Bucket, r.posix.CreateBucket(ctx, &c, acl))
}

func (r *rooted) DeleteBucket(ctx context.Context, bucket string) error {
	return out(&bucket, r.posix.DeleteBucket(ctx, r.abs(bucket)))
}

func (r *rooted) GetBucketAcl(ctx context.Context, in *s3.GetBucketAclInput) ([]byte, error) {
	c := *in
	c.Bucket = r.in(in.Bucket)
	o, err := r.posix.GetBucketAcl(ctx, &c)
	return o, out(in.Bucket, err)
}

func (r *rooted) GetBucketVersioning(ctx context.Context, bucket string) (s3response.GetBucketVersioningOutput, error) {
	o, err := r.posix.GetBucketVersioning(ctx, r.abs(bucket))
	return o, out(&bucket, err)
}

func (r *rooted) GetBucketPolicy(ctx context.Context, bucket string) ([]byte, error) {
	o, err := r.posix.GetBucketPolicy(ctx, r.abs(bucket))
	return o, out(&bucket, err)
}

func (r *rooted) GetBucketOwnershipControls(ctx context.Context, bucket string) (types.ObjectOwnership, error) {
	o, err := r.posix.GetBucketOwnershipControls(ctx, r.abs(bucket))
	return o, out(&bucket, err)
}

func (r *rooted) GetBucketCors(ctx context.Context, bucket string) ([]byte, error) {
	o, err := r.posix.GetBucketCors(ctx, r.abs(bucket))
	return o, out(&bucket, err)
}

func (r *rooted) GetObjectLockConfiguration(ctx context.Context, bucket string) ([]byte, error) {
	o, err := r.posix.GetObjectLockConfiguration(ctx, r.abs(bucket))
	return o, out(&bucket, err)
}

func (r *rooted) GetObjectRetention(ctx context.Context, bucket, object, version string) ([]byte, error) {
	o, err := r.posix.GetObjectRetention(ctx, r.abs(bucket), object, version)
	return o, out(&bucket, err)
}

func (r *rooted) GetObjectLegalHold(ctx context.Context, bucket, object, version string) (*bool, error) {
	o, err := r.posix.GetObjectLegalHold(ctx, r.abs(bucket), object, version)
	return o, out(&bucket, err)
}
