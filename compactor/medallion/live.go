package medallion

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/lake"
)

// Counting live rows is done here from the files alone: the footers' row counts
// and the positions in the delete files, read without the engine that computed
// the change. So the conservation law compares two independent accounts.

// deleteCache keeps the positions of delete files, which never change.
type deleteCache struct {
	mu    sync.Mutex
	files map[string]map[string][]int64 // delete file -> data file -> positions
	order []string
	rows  int
}

// maxCachedPositions bounds the cache at about 80 MB.
const maxCachedPositions = 10_000_000

func newDeleteCache() *deleteCache { return &deleteCache{files: map[string]map[string][]int64{}} }

func (d *deleteCache) get(location string) (map[string][]int64, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.files[location]
	return p, ok
}

func (d *deleteCache) put(location string, positions map[string][]int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.files[location]; ok {
		return
	}
	d.files[location] = positions
	d.order = append(d.order, location)
	d.rows += countPositions(positions)
	for d.rows > maxCachedPositions && len(d.order) > 1 {
		d.rows -= countPositions(d.files[d.order[0]])
		delete(d.files, d.order[0])
		d.order = d.order[1:]
	}
}

func countPositions(m map[string][]int64) int {
	n := 0
	for _, p := range m {
		n += len(p)
	}
	return n
}

// positions answers the positions that a delete file removes, by data file.
func (s *Service) positions(ctx context.Context, df iceberg.DataFile) (map[string][]int64, error) {
	location := df.FilePath()
	if p, ok := s.deletes.get(location); ok {
		return p, nil
	}
	if df.ContentType() != iceberg.EntryContentPosDeletes || !strings.EqualFold(string(df.FileFormat()), string(iceberg.ParquetFile)) {
		return nil, fmt.Errorf("%s is not a position delete file: a foreign writer put equality deletes or deletion vectors into a table that a model keeps; compact the table first", location)
	}
	path, ok := s.cfg.Bucket.LocalPath(location)
	if !ok {
		key, err := s.cfg.Bucket.Key(location)
		if err != nil {
			return nil, err
		}
		path = filepath.Join(s.cfg.TempDir, "deletes-"+uuid.NewString()+".parquet")
		defer func() { _ = os.Remove(path) }()
		if err := s.cfg.Bucket.GetFile(ctx, key, path); err != nil {
			return nil, err
		}
	}
	p, err := readDeleteFile(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("read delete file %s: %w", location, err)
	}
	s.deletes.put(location, p)
	return p, nil
}

func readDeleteFile(ctx context.Context, path string) (map[string][]int64, error) {
	r, err := file.OpenParquetFile(path, false)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	fr, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 64 << 10}, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	t, err := fr.ReadTable(ctx)
	if err != nil {
		return nil, err
	}
	defer t.Release()
	paths, positions := -1, -1
	for i, f := range t.Schema().Fields() {
		switch f.Name {
		case "file_path":
			paths = i
		case "pos":
			positions = i
		}
	}
	if paths < 0 || positions < 0 {
		return nil, fmt.Errorf("it has the columns %s", t.Schema())
	}
	out := map[string][]int64{}
	tr := array.NewTableReader(t, 64<<10)
	defer tr.Release()
	for tr.Next() {
		b := tr.RecordBatch()
		names, ok1 := b.Column(paths).(array.StringLike)
		values, ok2 := b.Column(positions).(*array.Int64)
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("it has the columns %s", t.Schema())
		}
		for i := range int(b.NumRows()) {
			out[names.Value(i)] = append(out[names.Value(i)], values.Value(i))
		}
	}
	return out, tr.Err()
}

// deletedRows answers the positions already deleted from a data file.
func (s *Service) deletedRows(ctx context.Context, f lake.File) (map[int64]struct{}, error) {
	out := map[int64]struct{}{}
	for _, d := range f.Deletes {
		p, err := s.positions(ctx, d.Data)
		if err != nil {
			return nil, err
		}
		for _, pos := range p[f.Data.FilePath()] {
			out[pos] = struct{}{}
		}
	}
	return out, nil
}

// liveRows counts the rows of a target at its head.
func (s *Service) liveRows(ctx context.Context, t *catalog.Table) (int64, *lake.Scan, error) {
	if t.CurrentSnapshot() == nil {
		return 0, &lake.Scan{Schema: t.Metadata.CurrentSchema()}, nil
	}
	scan, err := s.cfg.Lake.Plan(ctx, t.Metadata, t.CurrentSnapshot().SnapshotID, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("count the rows of %s: %w", t.Ident, err)
	}
	var live int64
	for _, f := range scan.Files {
		gone, err := s.deletedRows(ctx, f)
		if err != nil {
			return 0, nil, err
		}
		live += f.Data.Count() - int64(len(gone))
	}
	return live, scan, nil
}

// liveAfter counts the rows that the target will have: it reads the staged
// delete files back and takes the staged data files at the count in their
// footers. Deleting a row that is already deleted is a contradiction.
func (s *Service) liveAfter(ctx context.Context, before *lake.Scan, st *staged) (int64, error) {
	staging := map[string]map[int64]struct{}{}
	for _, df := range st.deletes {
		p, err := s.positions(ctx, df)
		if err != nil {
			return 0, err
		}
		for path, positions := range p {
			if staging[path] == nil {
				staging[path] = map[int64]struct{}{}
			}
			for _, pos := range positions {
				staging[path][pos] = struct{}{}
			}
		}
	}
	var live int64
	for _, f := range before.Files {
		path := f.Data.FilePath()
		if slices.Contains(st.removed, path) {
			continue
		}
		gone, err := s.deletedRows(ctx, f)
		if err != nil {
			return 0, err
		}
		n := f.Data.Count() - int64(len(gone))
		for pos := range staging[path] {
			if _, twice := gone[pos]; !twice && pos >= 0 && pos < f.Data.Count() {
				n--
			}
		}
		live += n
	}
	for _, df := range st.added {
		live += df.Count()
	}
	return live, nil
}

// dangling answers the delete files that remove nothing any more once the
// staged change is in: they leave with it.
func (s *Service) dangling(ctx context.Context, before *lake.Scan, st *staged) ([]string, error) {
	if len(st.removed) == 0 {
		return nil, nil
	}
	stays := map[string]bool{}
	files := map[string]iceberg.DataFile{}
	for _, f := range before.Files {
		path := f.Data.FilePath()
		if !slices.Contains(st.removed, path) {
			stays[path] = true
		}
		for _, d := range f.Deletes {
			files[d.Data.FilePath()] = d.Data
		}
	}
	var out []string
	for location, df := range files {
		p, err := s.positions(ctx, df)
		if err != nil {
			return nil, err
		}
		needed := false
		for path := range p {
			needed = needed || stays[path]
		}
		if !needed {
			out = append(out, location)
		}
	}
	slices.Sort(out)
	return out, nil
}
