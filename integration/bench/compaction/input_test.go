package compaction_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog/rest"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/apache/iceberg-go/table/dv"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/bench/compaction"
	"github.com/firnlake/firn/integration/bench/readings"
	"github.com/firnlake/firn/integration/engines"
	firnparquet "github.com/firnlake/firn/internal/parquet"
)

const (
	namespace = "bench"
	name      = "readings"
	// target size of files, for everyone.
	target = 128 << 20
	// every row of five is deleted, in inputs with deletes.
	deletedOf = 5
)

// input is a table to be compacted.
type input struct {
	name, text string
	files      int
	rows       int // of a file
	version    int // of the format
	sorted     bool
	deletes    string   // vectors, equality or none
	firn       []string // of Firn's rows
}

var inputs = []input{
	{name: "five", text: "five small files", files: 5, rows: 500, version: 2, firn: []string{compaction.Firn, compaction.FirnRewrite}},
	{name: "a", text: "small files", files: 500, rows: 10_000, version: 2, firn: []string{compaction.Firn, compaction.FirnRewrite, compaction.FirnHash}},
	{name: "b", text: "tiny files", files: 20_000, rows: 100, version: 2, firn: []string{compaction.Firn, compaction.FirnRewrite}},
	{name: "c1", text: "v3, a fifth of the rows deleted by deletion vectors", files: 100, rows: 50_000, version: 3, deletes: "vectors", firn: []string{compaction.Firn}},
	{name: "c2", text: "v2, a fifth of the rows deleted by equality", files: 100, rows: 50_000, version: 2, deletes: "equality", firn: []string{compaction.Firn}},
	{name: "d", text: "sort of the input of (a) by id", files: 500, rows: 10_000, version: 2, sorted: true, firn: []string{compaction.Firn}},
}

// made is an input on disk, in a lake that is not running.
type made struct {
	input
	lake   string // folder
	paths  []string
	bytes  int64
	left   sums // what every contender must answer
	delete int64
}

// sums are checks over rows, as SQL calculates them.
type sums struct{ rows, ids, times int64 }

const checks = `count(*), sum(id % 1000003), sum(epoch_us("at") % 1000003)`

func (s *sums) add(b arrow.RecordBatch, deleted func(row int) bool) {
	ids, times := b.Column(1).(*array.Int64), b.Column(2).(*array.Timestamp)
	for i := range int(b.NumRows()) {
		if !deleted(i) {
			s.rows++
			s.ids += ids.Value(i) % 1_000_003
			s.times += int64(times.Value(i)) % 1_000_003
		}
	}
}

func (s *sums) texts() []string {
	return []string{strconv.FormatInt(s.rows, 10), strconv.FormatInt(s.ids, 10), strconv.FormatInt(s.times, 10)}
}

// post sends one request of the Iceberg REST protocol.
func post(ctx context.Context, address string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(data))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", address, answer.Status, text)
	}
	return err
}

type object = map[string]any

// create makes a table of readings that is left alone by the compactor, unless
// properties say otherwise; partitioned by sensor if asked for.
func create(b *testing.B, lake *engines.Lake, in input, partitioned bool, properties object) {
	b.Helper()
	require.NoError(b, post(b.Context(), lake.HTTP+"/v1/namespaces", object{"namespace": []string{namespace}}))
	fields := make([]object, len(readings.Columns))
	for i, c := range readings.Columns {
		fields[i] = object{"id": i + 1, "name": c.Name, "type": c.Type, "required": false}
	}
	all := object{"firn.compact.enabled": "false", "format-version": fmt.Sprint(in.version), "write.target-file-size-bytes": fmt.Sprint(target)}
	maps.Copy(all, properties)
	body := object{"name": name, "schema": object{"type": "struct", "schema-id": 0, "fields": fields}, "properties": all}
	if in.sorted {
		body["write-order"] = object{"order-id": 1, "fields": []object{{"source-id": 2, "transform": "identity", "direction": "asc", "null-order": "nulls-first"}}}
	}
	if partitioned {
		body["partition-spec"] = object{"spec-id": 0, "fields": []object{{"source-id": 1, "field-id": 1000, "name": "sensor", "transform": "identity"}}}
	}
	require.NoError(b, post(b.Context(), lake.HTTP+"/v1/namespaces/"+namespace+"/tables", body))
}

// load answers the table as iceberg-go sees it, its files where they are on this
// machine.
func load(b *testing.B, lake *engines.Lake) *table.Table {
	b.Helper()
	catalog, err := rest.NewCatalog(b.Context(), "firn", lake.HTTP)
	require.NoError(b, err)
	tbl, err := catalog.LoadTable(b.Context(), table.Identifier{namespace, name})
	require.NoError(b, err)
	return table.New(tbl.Identifier(), tbl.Metadata(), tbl.MetadataLocation(), func(context.Context) (iceio.IO, error) { return storage(lake), nil }, catalog)
}

func storage(lake *engines.Lake) compaction.Folder {
	return compaction.Folder(filepath.Join(lake.Data, "s3"))
}

// prepare makes an input: files as Firn's writer makes them, registered in one
// commit, and deletes in another.
func prepare(b *testing.B, in input) *made {
	b.Helper()
	m := &made{input: in, lake: filepath.Join(b.TempDir(), "lake")}
	lake := engines.OpenLake(b, m.lake)
	create(b, lake, in, false, nil)
	tbl := load(b, lake)
	folder := storage(lake)
	options := firnparquet.OptionsFor(tbl.Metadata())
	options.MergeReady = true
	schema, err := firnparquet.ArrowSchema(tbl.Schema())
	require.NoError(b, err)
	var files []iceberg.DataFile
	vectors := dv.NewDVWriter(folder, func(int32) *iceberg.PartitionSpec { return new(tbl.Spec()) })
	gone := array.NewInt64Builder(memory.DefaultAllocator)
	defer gone.Release()
	for i := range in.files {
		batch := readings.Batch(i*in.rows, in.rows)
		location := fmt.Sprintf("%s/data/%05d.parquet", tbl.Location(), i)
		deleted := m.choose(uint64(i))
		m.left.add(batch, func(row int) bool { return deleted[row] })
		for row, d := range deleted {
			if d {
				m.delete++
				gone.Append(batch.Column(1).(*array.Int64).Value(row))
				require.NoError(b, vectors.AddPosition(location, int64(row), 0, nil))
			}
		}
		var file bytes.Buffer
		batch = array.NewRecordBatch(schema, batch.Columns(), batch.NumRows())
		encoded, err := firnparquet.Encode(b.Context(), &file, []arrow.RecordBatch{batch}, options)
		require.NoError(b, err)
		batch.Release()
		require.NoError(b, folder.WriteFile(location, file.Bytes()))
		df, err := firnparquet.DataFile(options, location, encoded.Bytes, encoded.Metadata)
		require.NoError(b, err)
		files = append(files, df)
		m.paths = append(m.paths, folder.Path(location))
		m.bytes += encoded.Bytes
	}
	tx := tbl.NewTransaction()
	if in.version < 3 {
		err = tx.AddDataFiles(b.Context(), files, nil, table.WithoutAutoNameMapping(), table.WithoutDuplicateCheck())
	} else {
		// Row ids are inherited from the commit; AddDataFiles wants them told.
		err = tx.NewRowDelta(nil).AddRows(files...).Commit(b.Context())
	}
	require.NoError(b, err)
	tbl, err = tx.Commit(b.Context())
	require.NoError(b, err)
	if in.deletes != "" {
		tx = tbl.NewTransaction()
		var deletes []iceberg.DataFile
		if in.deletes == "vectors" {
			deletes, err = vectors.Flush(b.Context(), tbl.Location()+"/data/vectors.puffin")
		} else {
			deletes, err = tx.WriteEqualityDeletes(b.Context(), []int{2}, one(array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true}}, nil), []arrow.Array{gone.NewArray()}, -1)))
		}
		require.NoError(b, err)
		require.NoError(b, tx.NewRowDelta(nil).AddDeletes(deletes...).Commit(b.Context()))
		_, err = tx.Commit(b.Context())
		require.NoError(b, err)
	}
	require.NoError(b, same(b, lake, m.left), "the input is not what it should be")
	lake.Stop(b)
	return m
}

// choose the rows of a file that are deleted.
func (m *made) choose(file uint64) []bool {
	deleted := make([]bool, m.rows)
	rng := rand.New(rand.NewPCG(file, 11))
	for row := range deleted {
		deleted[row] = m.deletes != "" && rng.IntN(deletedOf) == 0
	}
	return deleted
}

func one(b arrow.RecordBatch) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) { yield(b, nil) }
}

// copyTo makes a copy of the lake: files that never change are links.
func (m *made) copyTo(b *testing.B) string {
	b.Helper()
	to := filepath.Join(b.TempDir(), "lake")
	require.NoError(b, filepath.WalkDir(m.lake, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(m.lake, path)
		if err != nil {
			return err
		}
		out := filepath.Join(to, rel)
		switch {
		case entry.IsDir() && slices.Contains([]string{"cache", "tmp"}, rel):
			return fs.SkipDir
		case entry.IsDir():
			return os.MkdirAll(out, 0o755)
		case slices.Contains([]string{".parquet", ".puffin", ".avro", ".json"}, filepath.Ext(path)) && filepath.Dir(rel) != ".":
			return os.Link(path, out)
		case slices.Contains([]string{"run.json", "dev.log", "lock"}, rel):
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(out, data, 0o600)
	}))
	return to
}
