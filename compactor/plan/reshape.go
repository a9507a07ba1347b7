package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Reshape moves rows of files of an old partition spec into partitions of the
// present one. It reads and encodes every row, and never happens unasked: a spec
// is often changed for the rows to come only.
const Reshape Tier = "reshape"

// PropertyReshape of a table asks for its files of old specs to be reshaped.
const PropertyReshape = "firn.compact.reshape"

// reshapeTargets is how many files' worth of small partitions one group takes
// together: several of them may have become one.
const reshapeTargets = 4

// old divides files into those of the present spec and those to be reshaped.
func (p Policy) old(files []File) (present, old []File) {
	if !p.Reshape {
		return files, nil
	}
	for _, f := range files {
		if f.SpecID == p.SpecID {
			present = append(present, f)
		} else {
			old = append(old, f)
		}
	}
	return present, old
}

// reshapes groups files of old specs: the hottest partitions first, each in groups
// of its own, and the small ones that are neighbours together. heat may be nil.
func (p Policy) reshapes(files []File, heat func(key string) float64) []Group {
	type partition struct {
		key   string
		files []File
		bytes int64
		heat  float64
	}
	byKey := map[string]*partition{}
	for _, f := range files {
		k := Key(f.SpecID, f.Partition)
		q := byKey[k]
		if q == nil {
			q = &partition{key: k}
			if heat != nil {
				q.heat = heat(k)
			}
			byKey[k] = q
		}
		q.files = append(q.files, f)
		q.bytes += f.Bytes
	}
	var all []*partition
	for _, q := range byKey {
		all = append(all, q)
	}
	slices.SortFunc(all, func(a, b *partition) int { return cmp.Compare(a.key, b.key) })
	var groups []Group
	var heats []float64
	targets := int64(reshapeTargets)
	if len(p.Sort) > 0 { // outputs of one sort have a range each
		targets = sortedTargets
	}
	var pack []File
	var packed int64
	var warmest float64
	partitions := 0
	add := func(files []File, partitions int, heat float64) {
		q := p
		q.Target = p.Target * targets
		for _, part := range q.cut(files, p.MaxFilesAtOnce) {
			groups = append(groups, p.reshape(part, partitions))
			heats = append(heats, heat)
		}
	}
	flush := func() {
		if len(pack) > 0 {
			add(pack, partitions, warmest)
		}
		pack, packed, warmest, partitions = nil, 0, 0, 0
	}
	for _, q := range all {
		if q.bytes >= p.Target {
			add(q.files, 1, q.heat)
			continue
		}
		if packed+q.bytes > targets*p.Target || len(pack)+len(q.files) > p.MaxFilesAtOnce || len(pack) > 0 && pack[0].SpecID != q.files[0].SpecID {
			flush()
		}
		pack, packed, warmest = append(pack, q.files...), packed+q.bytes, max(warmest, q.heat)
		partitions++
	}
	flush()
	order := make([]int, len(groups))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(heats[b], heats[a]), cmp.Compare(groups[b].Bytes, groups[a].Bytes))
	})
	out := make([]Group, len(groups))
	for i, at := range order {
		out[i] = groups[at]
	}
	return out
}

func (p Policy) reshape(files []File, partitions int) Group {
	g := Group{Tier: Reshape, SpecID: files[0].SpecID, Partition: files[0].Partition, Files: files, Partitions: partitions}
	for _, f := range files {
		g.Bytes += f.Bytes
		g.Rows += f.Rows
	}
	g.Outputs = max(1, int(math.Round(float64(g.Bytes)/float64(p.Target))))
	g.Reason = fmt.Sprintf("%s in %s of partition spec %d; the table has spec %d", count(int64(len(files)), "file"), count(int64(partitions), "partition"), g.SpecID, p.SpecID)
	return g
}

// place names the partitions of a group.
func (g Group) place() string {
	text := PartitionText(g.Partition)
	if g.Partitions > 1 {
		text += fmt.Sprintf(" and %d more", g.Partitions-1)
	}
	return strings.TrimSpace(text)
}
