package lake

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
)

// deleteIndex finds the delete files that apply to a data file, by the rules
// of the Iceberg specification: a deletion vector by the file it names and,
// where there is one, no position deletes beside it; position deletes by
// partition, or by the one file they name, if they are not older than the data;
// equality deletes by partition, or anywhere if their spec has no fields, if
// they are younger than the data.
type deleteIndex struct {
	vectors   map[string]DeleteFile
	byFile    map[string][]DeleteFile
	positions map[string][]DeleteFile // by partition
	equality  map[string][]DeleteFile // by partition; "" is the whole table
	any       bool
}

func (x *deleteIndex) add(e Entry) {
	if !x.any {
		*x = deleteIndex{
			vectors: map[string]DeleteFile{}, byFile: map[string][]DeleteFile{},
			positions: map[string][]DeleteFile{}, equality: map[string][]DeleteFile{}, any: true,
		}
	}
	d := DeleteFile{Data: e.Data, Sequence: e.Sequence}
	switch {
	case e.Data.ContentType() == iceberg.EntryContentEqDeletes:
		key := partitionKey(e.Data)
		if len(e.Data.Partition()) == 0 {
			key = ""
		}
		x.equality[key] = append(x.equality[key], d)
	case isVector(e.Data):
		if ref := e.Data.ReferencedDataFile(); ref != nil {
			if old, ok := x.vectors[*ref]; !ok || old.Sequence < d.Sequence {
				x.vectors[*ref] = d
			}
		}
	default:
		if ref := onlyFile(e.Data); ref != "" {
			x.byFile[ref] = append(x.byFile[ref], d)
			return
		}
		key := partitionKey(e.Data)
		x.positions[key] = append(x.positions[key], d)
	}
}

// sort puts the youngest last, so that what applies to a data file is a tail.
func (x *deleteIndex) sort() {
	for _, m := range []map[string][]DeleteFile{x.byFile, x.positions, x.equality} {
		for _, list := range m {
			slices.SortStableFunc(list, func(a, b DeleteFile) int { return cmp.Compare(a.Sequence, b.Sequence) })
		}
	}
}

func (x *deleteIndex) of(e Entry) []DeleteFile {
	if !x.any {
		return nil
	}
	path := e.Data.FilePath()
	var out [][]DeleteFile
	key := partitionKey(e.Data)
	if dv, ok := x.vectors[path]; ok && dv.Sequence >= e.Sequence {
		out = append(out, []DeleteFile{dv})
	} else {
		out = append(out, since(x.byFile[path], e.Sequence), since(x.positions[key], e.Sequence))
	}
	out = append(out, since(x.equality[""], e.Sequence+1))
	if key != "" {
		out = append(out, since(x.equality[key], e.Sequence+1))
	}
	// One list alone is shared between the files it applies to.
	out = slices.DeleteFunc(out, func(l []DeleteFile) bool { return len(l) == 0 })
	switch len(out) {
	case 0:
		return nil
	case 1:
		return slices.Clip(out[0])
	}
	return slices.Concat(out...)
}

// since is the tail of a sorted list from a sequence number on.
func since(list []DeleteFile, seq int64) []DeleteFile {
	i, _ := slices.BinarySearchFunc(list, seq, func(d DeleteFile, s int64) int {
		if d.Sequence >= s {
			return 1
		}
		return -1
	})
	return list[i:]
}

// isVector says whether a delete file is a deletion vector in a Puffin file.
func isVector(f iceberg.DataFile) bool {
	return f.ContentType() == iceberg.EntryContentPosDeletes &&
		(f.ContentOffset() != nil || strings.EqualFold(string(f.FileFormat()), "puffin"))
}

// Field ids of the columns of position delete files.
const (
	deletePathID = 2147483546
	deletePosID  = 2147483545
)

// onlyFile is the data file that a position delete file names alone, if it
// says so, or its bounds do.
func onlyFile(f iceberg.DataFile) string {
	if ref := f.ReferencedDataFile(); ref != nil {
		return *ref
	}
	low, high := f.LowerBoundValues()[deletePathID], f.UpperBoundValues()[deletePathID]
	// Equal bounds that were cut off would be equal by accident: the upper one
	// is raised when it is cut.
	if len(low) > 0 && string(low) == string(high) {
		return string(low)
	}
	return ""
}

// partitionKey tells partitions apart, NULL and "null" too.
func partitionKey(f iceberg.DataFile) string {
	values := f.Partition()
	if len(values) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d", f.SpecID())
	for _, id := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, "|%d=%T:%v", id, values[id], values[id])
	}
	return b.String()
}
