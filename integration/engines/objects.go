package engines

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Location is where a table's files are.
func (l *Lake) Location(t testing.TB, path ...string) string {
	t.Helper()
	var metadata struct {
		Location string `json:"location"`
	}
	if err := json.Unmarshal(l.Metadata(t, path...), &metadata); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(metadata.Location, "/") + "/"
}

// Objects lists what the store holds of a table under a folder of it, as paths
// below the table's location.
func (l *Lake) Objects(t testing.TB, path []string, folder string) []string {
	t.Helper()
	return l.ObjectsAt(t, l.Location(t, path...), folder)
}

// ObjectsAt is Objects of a location, for a table that is dropped.
func (l *Lake) ObjectsAt(t testing.TB, location, folder string) []string {
	t.Helper()
	client := l.store(t)
	prefix := strings.TrimPrefix(location, "s3://"+l.Bucket+"/")
	var keys []string
	for object := range client.ListObjects(t.Context(), l.Bucket, minio.ListObjectsOptions{Prefix: prefix + folder, Recursive: true}) {
		if object.Err != nil {
			t.Fatalf("list %s: %v", location, object.Err)
		}
		keys = append(keys, strings.TrimPrefix(object.Key, prefix))
	}
	slices.Sort(keys)
	return keys
}

// Fetch copies an object, named by its location, to a path.
func (l *Lake) Fetch(t testing.TB, location, path string) {
	t.Helper()
	if err := l.store(t).FGetObject(t.Context(), l.Bucket, strings.TrimPrefix(location, "s3://"+l.Bucket+"/"), path, minio.GetObjectOptions{}); err != nil {
		t.Fatalf("fetch %s: %v", location, err)
	}
}

func (l *Lake) store(t testing.TB) *minio.Client {
	t.Helper()
	endpoint, err := url.Parse(l.S3Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	client, err := minio.New(endpoint.Host, &minio.Options{
		Creds: credentials.NewStaticV4(l.AccessKey, l.SecretKey, ""), Region: l.Region, BucketLookup: minio.BucketLookupPath, Secure: endpoint.Scheme == "https",
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
