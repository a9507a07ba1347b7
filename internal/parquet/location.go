package parquet

import (
	"fmt"
	"hash/fnv"

	"github.com/apache/iceberg-go"
)

// PropertyObjectPaths puts a hash into the paths of new data files, as Iceberg's
// object store layout does: a store that spreads its load by prefixes then spreads
// one partition's files too.
const PropertyObjectPaths = "write.object-storage.enabled"

// Location is where a new file of a table lies below prefix, by its name, which
// must be unique.
func Location(props iceberg.Properties, prefix, name string) string {
	if props[PropertyObjectPaths] != "true" {
		return prefix + "/" + name
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	bits := fmt.Sprintf("%020b", h.Sum32()&(1<<20-1))
	return fmt.Sprintf("%s/%s/%s/%s/%s/%s", prefix, bits[:4], bits[4:8], bits[8:12], bits[12:], name)
}
