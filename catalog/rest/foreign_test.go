package rest_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go/catalog/catalogtest"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/internal/objstore"
)

// A snapshot whose files are not there, or are another table's, is refused, and
// the refusal says nothing of the object store.
func TestForeignSnapshotsAreChecked(t *testing.T) {
	f := served(t)
	f.Must(t, 200, "POST", tables, newTable("t"))
	f.Must(t, 200, "POST", tables, newTable("other"))
	theirs := snapshots(t, f, "other", 1).CurrentSnapshot().ManifestList
	mine := f.Must(t, 200, "GET", tables+"/t", nil).JSON()["metadata"].(object)["location"].(string)
	require.NoError(t, f.Bucket.PutBytes(t.Context(), key(t, f.Bucket.Key, mine+"/metadata/garbage.avro"), []byte("not avro"), noOptions))
	for _, list := range []string{mine + "/metadata/absent.avro", mine + "/metadata/garbage.avro", theirs, mine + "/metadata/../../x.avro", mine + "_other/x.avro"} {
		a := f.Call(t, "POST", tables+"/t", body(nil,
			fmt.Sprintf(`{"action": "add-snapshot", "snapshot": {"snapshot-id": 5, "sequence-number": 1, "timestamp-ms": 1900000000000, "manifest-list": %q, "summary": {"operation": "append"}, "schema-id": 0}}`, list),
			`{"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": 5}`))
		assert.Equal(t, 400, a.Status, "%s: %s", list, a.Body)
		assert.NotContains(t, string(a.Body), f.Bucket.Config().Endpoint)
		if root := f.Bucket.Config().LocalRoot; root != "" { // there is none on MinIO
			assert.NotContains(t, string(a.Body), root)
		}
	}
	meta := f.Must(t, 200, "GET", tables+"/t", nil).JSON()["metadata"].(object)
	assert.Empty(t, meta["snapshots"])
}

// TestConcurrentEngines: engines that append to one table at once, each with the
// retries of a real client, lose nothing.
func TestConcurrentEngines(t *testing.T) {
	f := served(t)
	const engines, appends = 4, 3
	seed := f.Client(t)
	tbl, err := seed.CreateTable(t.Context(), table.Identifier{"ns", "t"}, catalogtest.OtherSchema)
	require.NoError(t, err)
	require.NotNil(t, tbl)
	var wg sync.WaitGroup
	for e := range engines {
		wg.Go(func() {
			c := f.Client(t)
			for i := range appends {
				for { // a conflict certainly did not happen: load again and retry
					tbl, err := c.LoadTable(t.Context(), table.Identifier{"ns", "t"})
					if !assert.NoError(t, err) {
						return
					}
					_, err = tbl.Append(t.Context(), someIDs(t, e*100+i), nil)
					if err == nil {
						break
					}
					if !assert.ErrorIs(t, err, table.ErrCommitFailed) {
						return
					}
				}
			}
		})
	}
	wg.Wait()
	final, err := seed.LoadTable(t.Context(), table.Identifier{"ns", "t"})
	require.NoError(t, err)
	assert.EqualValues(t, engines*appends, count(t, final))
	assert.Len(t, final.Metadata().Snapshots(), engines*appends)
	last := int64(0)
	for _, s := range final.Metadata().Snapshots() {
		assert.Equal(t, last+1, s.SequenceNumber, "sequence numbers rise by one")
		last = s.SequenceNumber
	}
}

var noOptions objstore.PutOptions

func key(t *testing.T, of func(string) (string, error), location string) string {
	t.Helper()
	k, err := of(location)
	require.NoError(t, err)
	return k
}

func someIDs(t *testing.T, id int) array.RecordReader {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "some_id", Type: arrow.PrimitiveTypes.Int32}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	b.Field(0).(*array.Int32Builder).Append(int32(id))
	rdr, err := array.NewRecordReader(schema, []arrow.RecordBatch{b.NewRecordBatch()})
	require.NoError(t, err)
	return rdr
}
