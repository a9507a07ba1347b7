package lake

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/internal/objstore"
)

// fileCache holds copies of a remote bucket's files, which are immutable, in a
// folder of bounded size. A file in use stays; the ones unused for longest go
// first. What one relation needs may pass the bound, for it must be there at
// once; the excess goes when it is released. A copy appears under its name only
// when it is complete, so what a crash leaves is usable or swept at the start.
type fileCache struct {
	dir    string
	limit  int64
	bucket *objstore.Bucket

	mu     sync.Mutex
	files  map[string]*cachedFile // by location
	unused *list.List             // *cachedFile, most recently used in front
	size   int64
	hits   int64
	misses int64
}

type cachedFile struct {
	location string
	path     string
	size     int64
	users    int
	loaded   chan struct{} // closed when the download ended
	err      error
	element  *list.Element // in unused
}

// Downloads at once.
const fetchers = 16

func openFileCache(dir string, limit int64, bucket *objstore.Bucket, reg prometheus.Registerer) (*fileCache, error) {
	c := &fileCache{dir: dir, limit: limit, bucket: bucket, files: map[string]*cachedFile{}, unused: list.New()}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("file cache: %w", err)
	}
	if err := c.sweep(); err != nil {
		return nil, fmt.Errorf("file cache: %w", err)
	}
	if reg != nil {
		reg.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "firn_lake_file_cache_bytes", Help: "Bytes of remote data files kept on this machine."}, func() float64 {
				c.mu.Lock()
				defer c.mu.Unlock()
				return float64(c.size)
			}),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "firn_lake_file_cache_hit_ratio", Help: "Share of data files found on this machine."}, func() float64 {
				c.mu.Lock()
				defer c.mu.Unlock()
				return float64(c.hits) / float64(max(1, c.hits+c.misses))
			}),
		)
	}
	return c, nil
}

// sweep brings what an earlier process left under the bound, oldest first. The
// names are hashes of bucket and location, so what stays is found again.
func (c *fileCache) sweep() error {
	type left struct {
		path string
		size int64
		at   time.Time
	}
	var all []left
	var total int64
	err := filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if filepath.Ext(path) != ".parquet" {
			return os.Remove(path)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all = append(all, left{path, info.Size(), info.ModTime()})
		total += info.Size()
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b left) int { return a.at.Compare(b.at) })
	for _, f := range all {
		if total <= c.limit/2 {
			break
		}
		if err := os.Remove(f.path); err != nil {
			return err
		}
		total -= f.size
	}
	return nil
}

func (c *fileCache) path(location string) string {
	sum := sha256.Sum256([]byte(c.bucket.Config().Endpoint + "\x00" + location))
	name := hex.EncodeToString(sum[:16])
	return filepath.Join(c.dir, name[:2], name[2:]+".parquet")
}

// hold makes files local and keeps them until release.
func (c *fileCache) hold(ctx context.Context, locations []string) (paths []string, release func(), err error) {
	held := make([]*cachedFile, len(locations))
	release = func() {
		for _, f := range held {
			if f != nil {
				c.letGo(f)
			}
		}
		c.evict()
	}
	paths = make([]string, len(locations))
	var g errgroup.Group
	g.SetLimit(fetchers)
	for i, loc := range locations {
		f, mine := c.take(loc)
		held[i], paths[i] = f, f.path
		if mine {
			// The download belongs to all who wait for it: one caller's end
			// does not end it.
			g.Go(func() error { c.fetch(context.WithoutCancel(ctx), f); return f.err })
		}
	}
	err = g.Wait()
	for _, f := range held {
		if err != nil {
			break
		}
		<-f.loaded // perhaps by another caller
		err = f.err
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return paths, sync.OnceFunc(release), nil
}

// take answers the file's record, in use; mine is true for who must fetch it.
func (c *fileCache) take(location string) (f *cachedFile, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f = c.files[location]
	if f == nil {
		f = &cachedFile{location: location, path: c.path(location), loaded: make(chan struct{})}
		c.files[location] = f
		mine = true
	} else {
		c.hits++
	}
	f.users++
	if f.element != nil {
		c.unused.Remove(f.element)
		f.element = nil
	}
	return f, mine
}

// fetch downloads a file unless an earlier process left it.
func (c *fileCache) fetch(ctx context.Context, f *cachedFile) {
	err := func() error {
		if info, err := os.Stat(f.path); err == nil {
			now := time.Now()
			_ = os.Chtimes(f.path, now, now) // only the order of sweeps
			f.size = info.Size()
			return nil
		}
		key, err := c.bucket.Key(f.location)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
			return err
		}
		if err := c.bucket.GetFile(ctx, key, f.path); err != nil {
			return fmt.Errorf("fetch %s: %w", f.location, err)
		}
		info, err := os.Stat(f.path)
		if err != nil {
			return err
		}
		f.size = info.Size()
		return nil
	}()
	c.mu.Lock()
	c.misses++
	f.err = err
	if err != nil {
		delete(c.files, f.location) // the next one tries again
	} else {
		c.size += f.size
	}
	c.mu.Unlock()
	close(f.loaded)
	if err == nil {
		c.evict()
	}
}

func (c *fileCache) letGo(f *cachedFile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.users--
	if f.users == 0 && c.files[f.location] == f {
		f.element = c.unused.PushFront(f)
	}
}

// evict removes unused files until the cache is within its bound.
func (c *fileCache) evict() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.size > c.limit && c.unused.Len() > 0 {
		f := c.unused.Remove(c.unused.Back()).(*cachedFile)
		f.element = nil
		delete(c.files, f.location)
		c.size -= f.size
		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return // it counts no more; the next start sweeps it
		}
	}
}
