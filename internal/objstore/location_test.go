package objstore_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
)

func TestHostileKeys(t *testing.T) {
	b := objstoretest.New(t)
	put(t, b, "canary", []byte("untouched"))
	long := strings.Repeat("x", 256)
	for name, key := range map[string]string{
		"empty":                    "",
		"parent":                   "..",
		"parent first":             "../other-bucket/k",
		"parent inside":            "a/../../k",
		"parent last":              "a/..",
		"here":                     "a/./b",
		"absolute":                 "/etc/passwd",
		"double slash":             "a//b",
		"trailing slash":           "a/",
		"backslash":                `a\..\b`,
		"NUL":                      "a\x00b",
		"newline":                  "a\nb",
		"escape character":         "a\x1b[2Jb",
		"DEL":                      "a\x7fb",
		"C1 control":               "a\u0085b",
		"right to left":            "a\u202eb",
		"line separator":           "a\u2028b",
		"byte order mark":          "\ufeffa",
		"not UTF-8":                "a\xffb",
		"query":                    "a?versionId=1",
		"fragment":                 "a#b",
		"encoded slash":            "a%2fb",
		"encoded slash, upper":     "a%2Fb",
		"encoded dots":             "a/%2e%2e/b",
		"one encoded dot":          "a/.%2E/b",
		"encoded twice":            "a%252fb",
		"encoded three times":      "a%25252Fb",
		"encoded dots, twice":      "%252e%252e/b",
		"encoded backslash":        "a%5Cb",
		"encoded NUL":              "a%00b",
		"encoded newline":          "a%0ab",
		"encoded query":            "a%3Fb",
		"encoded fragment":         "a%23b",
		"encoded in pieces":        "a%25%32%66b",
		"encoded C1 control":       "a%C2%85b",
		"half a character":         "a%85b",
		"value leads upwards":      "d/c=a%2F..%2Fb/f",
		"value leads up, twice":    "d/c=%252E%252E%252F..%252Fb/f",
		"value goes nowhere":       "d/c=a%2f./f",
		"value with NUL":           "d/c=%00/f",
		"name leads upwards":       "d/%2e%2e%2Fc=a/f",
		"name is a way up":         "d/a%2F%2e%2e%2F%2e%2e%2Fc=a/f",
		"name with NUL":            "d/a%00c=a/f",
		"no partition folder":      "d/%3D%2fb/f",
		"gateway's folder":         ".sgwtmp/multipart/x",
		"gateway's folder by name": ".sgwtmp",
		"segment of 256 bytes":     "a/" + long,
		"more than 1024 bytes":     strings.Repeat("0123456789/", 100) + "k",
	} {
		t.Run(name, func(t *testing.T) {
			if err := objstore.CheckKey(key); !errors.Is(err, objstore.ErrInvalidKey) {
				t.Fatalf("CheckKey(%q): %v", key, err)
			}
			if k, err := b.Key("s3://" + b.Name() + "/" + key); !errors.Is(err, objstore.ErrInvalidKey) {
				t.Errorf("Key: %q, %v", k, err)
			}
			if p, ok := b.LocalPath("s3://" + b.Name() + "/" + key); ok {
				t.Errorf("LocalPath: %q", p)
			}
			ctx, fio, dest := t.Context(), b.FileIO(), filepath.Join(t.TempDir(), "f")
			_, errGet := b.Get(ctx, key)
			_, errRange := b.GetRange(ctx, key, 0, 1)
			_, errReader := b.Reader(ctx, key)
			_, errStat := b.Stat(ctx, key)
			_, errOpen := fio.Open(b.Location(key))
			_, errCreate := fio.Create(b.Location(key))
			for i, err := range []error{
				errGet, errRange, errReader, errStat, errOpen, errCreate,
				b.PutBytes(ctx, key, []byte("x"), objstore.PutOptions{}),
				b.Put(ctx, key, strings.NewReader("x"), 1, objstore.PutOptions{}),
				b.PutFile(ctx, key, dest), b.GetFile(ctx, key, dest),
				b.Delete(ctx, key), b.Delete(ctx, "canary", key),
				fio.WriteFile(b.Location(key), nil), fio.Remove(b.Location(key)),
			} {
				if !errors.Is(err, objstore.ErrInvalidKey) {
					t.Errorf("call %d: %v", i, err)
				}
			}
		})
	}
	if got, err := b.Get(t.Context(), "canary"); err != nil || string(got) != "untouched" {
		t.Fatalf("canary: %q, %v", got, err)
	}
}

func TestHostileLocations(t *testing.T) {
	b := objstoretest.New(t)
	n := b.Name()
	for name, location := range map[string]string{
		"empty":              "",
		"no scheme":          n + "/k",
		"absolute path":      "/tmp/k",
		"file":               "file:///etc/passwd",
		"http":               "http://" + n + "/k",
		"s3n":                "s3n://" + n + "/k",
		"gs":                 "gs://" + n + "/k",
		"upper-case scheme":  "S3://" + n + "/k",
		"scheme, one slash":  "s3:/" + n + "/k",
		"scheme, opaque":     "s3:" + n + "/k",
		"space before":       " s3://" + n + "/k",
		"newline before":     "\ns3://" + n + "/k",
		"other bucket":       "s3://other/k",
		"longer bucket":      "s3://" + n + "x/k",
		"shorter bucket":     "s3://" + n[:len(n)-1] + "/k",
		"upper-case bucket":  "s3://" + strings.ToUpper(n) + "/k",
		"dot after bucket":   "s3://" + n + "./k",
		"no bucket":          "s3:///k",
		"bucket only":        "s3://" + n,
		"bucket and slash":   "s3://" + n + "/",
		"user":               "s3://user@" + n + "/k",
		"user and password":  "s3://user:pass@" + n + "/k",
		"other host by user": "s3://" + n + "@evil/k",
		"port":               "s3://" + n + ":80/k",
		"encoded bucket":     "s3://%66" + n[1:] + "/k",
		"two slashes":        "s3://" + n + "//k",
		"scheme twice":       "s3://s3://" + n + "/k",
		"a wildcard host":    "s3://*/k",
	} {
		if key, err := b.Key(location); !errors.Is(err, objstore.ErrInvalidKey) {
			t.Errorf("%s: %q gave key %q, %v", name, location, key, err)
		}
		if _, err := b.PrefixKey(location + "/"); !errors.Is(err, objstore.ErrInvalidKey) {
			t.Errorf("%s as a prefix: %v", name, err)
		}
	}
}

func TestGoodLocations(t *testing.T) {
	b := objstoretest.New(t)
	for _, key := range []string{
		"k", "wh/0195-uuid/data/part-0.parquet", "d/country=United%20Kingdom/f", "d/t=2020-01-01T00%3A00/f", "d/a+b/f",
		"d/100%/f", "d/%zz/f", "d/ü/日本/f", "d/...hidden", "d/a..b", "d/ *'()!~,=@:;&$/f", "_firn/log/0001",
		// What engines make of partition values.
		"d/c=a%2Fb/f", "d/c=%C3%BC%3D%E2%9D%84/f", "d/c=what%3F/f", "d/c=%23%5C%0A%09/f", "d/c=100%25%2F/f", "d/c=../f", "d/a=b=c%2Fd/f", "d/%C3%BC%2Fx=q/f", "d/what%3F+%23=a%2Fb/f", "d/%E2%9D%84.%C3%BC/f", "d/c=%E9/f",
	} {
		for _, scheme := range []string{"s3://", "s3a://"} {
			if got, err := b.Key(scheme + b.Name() + "/" + key); err != nil || got != key {
				t.Errorf("%s%s: %q, %v", scheme, key, got, err)
			}
		}
		if got, err := b.Key(b.Location(key)); err != nil || got != key {
			t.Errorf("Location and Key are no pair for %s: %q, %v", key, got, err)
		}
		if err := b.PutBytes(t.Context(), key, []byte(key), objstore.PutOptions{IfAbsent: true}); err != nil {
			t.Errorf("put %s: %v", key, err)
		}
		if got, err := b.Get(t.Context(), key); err != nil || string(got) != key {
			t.Errorf("get %s: %q, %v", key, got, err)
		}
	}
	for location, want := range map[string]string{"s3://" + b.Name() + "/wh/t/": "wh/t", "s3://" + b.Name() + "/wh/t": "wh/t"} {
		if got, err := b.PrefixKey(location); err != nil || got != want {
			t.Errorf("prefix %s: %q, %v", location, got, err)
		}
	}
}

// FuzzKey: whatever Key accepts stays inside the bucket's folder and reads back.
func FuzzKey(f *testing.F) {
	for _, seed := range []string{"s3://b/k", "s3a://b/a/b", "s3://b/../x", "s3://b/%2e%2e/x", "s3://b/a%2fb", "s3://u@b/k", "s3://b/k?q", "s3://b/%25%32%66"} {
		f.Add(seed)
	}
	b := objstore.Unconnected(objstore.Config{Bucket: "b", LocalRoot: "/root/b"})
	f.Fuzz(func(t *testing.T, location string) {
		key, err := b.Key(location)
		if err != nil {
			return
		}
		path, ok := b.LocalPath(location)
		if !ok || path != "/root/b/"+key || filepath.Clean(path) != path || !strings.HasPrefix(path, "/root/b/") {
			t.Fatalf("%q leads to %q", location, path)
		}
		if again, err := b.Key(b.Location(key)); err != nil || again != key {
			t.Fatalf("%q: %q, %v", key, again, err)
		}
	})
}
