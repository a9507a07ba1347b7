package gateway

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/s3response"
)

func (r *rooted) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	bucket := in.Bucket
	in.Bucket = r.in(bucket)
	o, err := r.posix.PutObject(ctx, in)
	return o, out(bucket, err)
}

func (r *rooted) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	c := *in
	c.Bucket = r.in(in.Bucket)
	o, err := r.posix.HeadObject(ctx, &c)
	return o, out(in.Bucket, err)
}

func (r *rooted) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	c := *in
	c.Bucket = r.in(in.Bucket)
	o, err := r.posix.GetObject(ctx, &c)
	return o, out(in.Bucket, err)
}

func (r *rooted) GetObjectAttributes(ctx context.Context, in *s3.GetObjectAttributesInput) (s3response.GetObjectAttributesResponse, error) {
	c := *in
	c.Bucket = r.in(in.Bucket)
	o, err := r.posix.GetObjectAttributes(ctx, &c)
	return o, out(in.Bucket, err)
}

func (r *rooted) ListObjects(ctx context.Context, in *s3.ListObjectsInput) (s3response.ListObjectsResult, error) {
	c := *in
	c.Bucket = r.in(in.Bucket)
	o, err := r.posix.ListObjects(ctx, &c)
	o.Name = in.Bucket
	return o, out(in.Bucket, err)
}

func (r *rooted) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input) (s3response.ListObjectsV2Result, error) {
	c := *in
	c.Bucket = r.in(in.Bucket)
	o, err := r.posix.ListObjectsV2(ctx, &c)
	o.Name = in.Bucket
	return o, out(in.Bucket, err)
}

func (r *rooted) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	c := *in
	c.Bucket = r.in(in.Bucket)
	o, err := r.posix.DeleteObject(ctx, &c)
	return o, out(in.Bucket, err)
}

func (r *rooted) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	c := *in
	c.Bucket = r.in(in.Bucket)
	o, err := r.posix.DeleteObjects(ctx, &c)
	return o, out(in.Bucket, err)
}

func (r *rooted) CreateMultipartUpload(ctx context.Context, in s3response.CreateMultipartUploadInput) (s3response.InitiateMultipartUploadResult, error) {
	bucket := in.Bucket
	in.Bucket = r.in(bucket)
	o, err := r.posix.CreateMultipartUpload(ctx, in)
	if bucket != nil {
		o.Bucket = *bucket
	}
	return o, out(bucket, err)
}

func (r *rooted) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	c := *in
	c.Bucket = r.in(in.Bucket)
	o, err := r.posix.UploadPart(ctx, &c)
	return o, out(in.Bucket, err)
}

func (r *rooted) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	c := *in
	c.Bucket = r.in(in.Bucket)
	o, version, err := r.posix.CompleteMultipartUpload(ctx, &c)
	o.Bucket = in.Bucket
	return o, version, out(in.Bucket, err)
}

func (r *rooted) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput) error {
	c := *in
	c.Bucket = r.in(in.Bucket)
	return out(in.Bucket, r.posix.AbortMultipartUpload(ctx, &c))
}

func (r *rooted) ListMultipartUploads(ctx context.Context, in *s3.ListMultipartUploadsInput) (s3response.ListMultipartUploadsResult, error) {
	c := *in
	c.Bucket = r.in(in.Bucket)
	o, err := r.posix.ListMultipartUploads(ctx, &c)
	if in.Bucket != nil {
		o.Bucket = *in.Bucket
	}
	return o, out(in.Bucket, err)
}

func (r *rooted) ListParts(ctx context.Context, in *s3.ListPartsInput) (s3response.ListPartsResult, error) {
	c := *in
	c.Bucket = r.in(in.Bucket)
	o, err := r.posix.ListParts(ctx, &c)
	if in.Bucket != nil {
		o.Bucket = *in.Bucket
	}
	return o, out(in.Bucket, err)
}
