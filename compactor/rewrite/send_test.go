package rewrite

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
)

// meddler changes the outputs of compactions on their way, or when they have
// arrived.
type meddler struct {
	next    http.RoundTripper
	root    string
	request func(*http.Request) error // before an output is sent
	arrived func(path string) error   // after
}

func (m *meddler) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/compact-") {
		return m.next.RoundTrip(r)
	}
	if m.request != nil {
		if err := m.request(r); err != nil {
			return nil, err
		}
	}
	res, err := m.next.RoundTrip(r)
	if err == nil && res.StatusCode == http.StatusOK && m.arrived != nil {
		_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		err = m.arrived(filepath.Join(m.root, key))
	}
	return res, err
}

type body struct {
	io.Reader
	io.Closer
}

// flipped reads like r, but for one bit at a place.
type flipped struct {
	r  io.Reader
	at int
}

func (f *flipped) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if f.at >= 0 && f.at < n {
		b[f.at] ^= 1
	}
	f.at -= n
	return n, err
}

// A fused file that changes on its way is refused by the store; one that changed
// where it lies is found by reading it back; and one of which nobody knows whether
// it was stored is sent again. The table is as it was, or compacted once.
func TestFusedFilesOnTheirWay(t *testing.T) {
	bit := func(r *http.Request) error {
		r.Body = body{&flipped{r.Body, 100}, r.Body}
		return nil
	}
	lost := 0
	for name, c := range map[string]struct {
		meddler meddler
		want    error // nil: it succeeds
		text    string
	}{
		"as it was": {},
		"a bit":     {meddler: meddler{request: bit}, want: objstore.ErrNotApplied},
		"stored bit": {meddler: meddler{arrived: func(path string) error {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			b := make([]byte, 1)
			if _, err := f.ReadAt(b, 50); err != nil {
				return err
			}
			b[0] ^= 8
			_, err = f.WriteAt(b, 50)
			return err
		}}, want: ErrProof},
		"stored half": {meddler: meddler{arrived: func(path string) error { return os.Truncate(path, 100) }}, want: ErrProof},
		"answer lost": {meddler: meddler{arrived: func(string) error {
			if lost++; lost == 1 {
				return io.ErrUnexpectedEOF
			}
			return nil
		}}},
		"never sent": {meddler: meddler{request: func(*http.Request) error { return io.ErrUnexpectedEOF }}, text: "outcome unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, version := range []string{"2", "3"} {
				lost = 0
				g := newCarryGround(t, version)
				cfg := objstoretest.Config(t)
				cfg.Bucket, cfg.LocalRoot = g.Bucket.Name(), g.Bucket.Config().LocalRoot
				if cfg.LocalRoot == "" && c.want != nil {
					continue // these are about objects that are files of this machine
				}
				cfg.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
					m := c.meddler
					m.next, m.root = next, cfg.LocalRoot
					return &m
				}
				w, comp := g.compaction(g.Catalog, plan.Fuse, func(o *Config) { o.Bucket = objstoretest.Open(t, cfg) })
				before := g.values()
				_, err := w.Compact(t.Context(), comp)
				now, scan := g.scan()
				require.Equal(t, before, g.values())
				switch {
				case c.want != nil:
					require.ErrorIs(t, err, c.want)
				case c.text != "":
					require.ErrorContains(t, err, c.text)
				default:
					require.NoError(t, err)
					require.Len(t, scan.Files, 1)
					require.Equal(t, table.OpReplace, now.CurrentSnapshot().Summary.Operation)
					continue
				}
				require.Len(t, scan.Files, 4)
			}
		})
	}
}
