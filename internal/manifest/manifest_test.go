package manifest_test

import (
	"bytes"
	"iter"
	"testing"

	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/internal/manifest"
)

// written is a manifest of a table partitioned by two columns, as iceberg-go
// writes it, and as Java would had the columns these names of two bytes.
func written(t *testing.T, first, second string) ([]byte, iceberg.ManifestFile) {
	t.Helper()
	schema := iceberg.NewSchema(
		0,
		iceberg.NestedField{ID: 1, Name: "one", Type: iceberg.PrimitiveTypes.String},
		iceberg.NestedField{ID: 2, Name: "two", Type: iceberg.PrimitiveTypes.Int64},
	)
	spec := iceberg.NewPartitionSpec(
		iceberg.PartitionField{SourceIDs: []int{1}, FieldID: 1000, Name: "qa", Transform: iceberg.IdentityTransform{}},
		iceberg.PartitionField{SourceIDs: []int{2}, FieldID: 1001, Name: "qb", Transform: iceberg.IdentityTransform{}},
	)
	file, err := iceberg.NewDataFileBuilder(
		spec, iceberg.EntryContentData, "s3://lake/t/data/f.parquet", iceberg.ParquetFile,
		map[int]any{1000: "größe", 1001: int64(7)}, nil, nil, 3, 99,
	)
	require.NoError(t, err)
	var buf bytes.Buffer
	snapshot := int64(5)
	w, err := iceberg.NewManifestWriter(2, &buf, spec, schema, snapshot)
	require.NoError(t, err)
	require.NoError(t, w.Add(iceberg.NewManifestEntry(iceberg.EntryStatusADDED, &snapshot, nil, nil, file.Build())))
	require.NoError(t, w.Close())
	m, err := w.ToManifestFile("m.avro", int64(buf.Len()))
	require.NoError(t, err)
	data := bytes.ReplaceAll(buf.Bytes(), []byte(`"qa"`), []byte(`"`+first+`"`))
	return bytes.ReplaceAll(data, []byte(`"qb"`), []byte(`"`+second+`"`)), m
}

// TestNamesBeyondASCII: what Spark and Trino write of a table that is partitioned
// by such columns is read, each value under its field's id.
func TestNamesBeyondASCII(t *testing.T) {
	data, m := written(t, "ü", "ñ")
	_, err := iceberg.ReadManifest(m, bytes.NewReader(data), true)
	require.ErrorContains(t, err, "invalid name", "iceberg-go reads it: this package is no longer needed")

	for name, read := range map[string]func() ([]iceberg.ManifestEntry, error){
		"bytes": func() ([]iceberg.ManifestEntry, error) {
			return iceberg.ReadManifest(m, bytes.NewReader(manifest.Readable(data)), true)
		},
		"files": func() ([]iceberg.ManifestEntry, error) {
			fs := iceio.NewMemFS()
			require.NoError(t, fs.WriteFile("m.avro", data))
			return collect(m.Entries(manifest.IO(fs), true))
		},
	} {
		entries, err := read()
		require.NoError(t, err, name)
		require.Len(t, entries, 1, name)
		assert.Equal(t, map[int]any{1000: "größe", 1001: int64(7)}, entries[0].DataFile().Partition(), name)
		assert.EqualValues(t, 3, entries[0].DataFile().Count(), name)
	}
}

// TestOthersAreLeftAlone: nothing is copied or parsed anew where nothing has to be.
func TestOthersAreLeftAlone(t *testing.T) {
	data, _ := written(t, "qa", "qb")
	got := manifest.Readable(data)
	assert.Same(t, &data[0], &got[0])
	strange, _ := written(t, "ü", "ñ")
	for _, n := range []int{0, 3, 4, 5, 9, 40, 500} {
		assert.Equal(t, strange[:n], manifest.Readable(strange[:n]), "%d bytes", n)
	}
}

func collect(entries iter.Seq2[iceberg.ManifestEntry, error]) (all []iceberg.ManifestEntry, err error) {
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}
