package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Scope says how eager [Groups] is.
type Scope struct {
	// Full joins all small files and applies all deletes: what a person who
	// asks for a compaction expects, whatever it costs.
	Full bool
	// QuietFor is how long a partition, by its key, has had no commit.
	QuietFor func(key string) time.Duration
	// HeldBack are partitions, by key, in which small files are joined by copying
	// and nothing else is done: see [Health.HoldsBack].
	HeldBack map[string]bool
	// Heat is how busy a partition has been; the hottest are reshaped first.
	Heat func(key string) float64
}

// Groups plans the compaction of one table from its live files.
func Groups(files []File, p Policy, s Scope) Compaction {
	partitions := map[string][]File{}
	present, old := p.old(files)
	for _, f := range present {
		k := Key(f.SpecID, f.Partition)
		partitions[k] = append(partitions[k], f)
	}
	var out Compaction
	var held reasons
	for key, files := range partitions {
		quiet := time.Duration(0)
		if s.QuietFor != nil {
			quiet = s.QuietFor(key)
		}
		if s.HeldBack[key] && !s.Full {
			out.Groups = append(out.Groups, p.fragments(files, quiet, &held)...)
			continue
		}
		out.Groups = append(out.Groups, p.partition(files, s.Full, quiet, &held)...)
	}
	// Most files saved first; the order also makes plans comparable.
	slices.SortFunc(out.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(len(b.Files), len(a.Files)), cmp.Compare(b.Bytes, a.Bytes),
			cmp.Compare(PartitionText(a.Partition), PartitionText(b.Partition)), cmp.Compare(a.Files[0].Path, b.Files[0].Path))
	})
	out.Groups = append(out.Groups, p.reshapes(old, s.Heat)...)
	for i, g := range out.Groups {
		if i > 0 && out.Bytes+g.Bytes > p.MaxJobBytes {
			out.WhyNot = fmt.Sprintf("%s wait for the next job: one job reads at most %s", count(int64(len(out.Groups)-i), "more group"), Size(p.MaxJobBytes))
			out.Groups, out.Truncated = out.Groups[:i], true
			return out
		}
		out.Bytes += g.Bytes
	}
	out.WhyNot = held.text(len(files), len(partitions), p)
	return out
}

// partition plans one partition.
func (p Policy) partition(files []File, full bool, quiet time.Duration, held *reasons) []Group {
	var small, chosen []File
	var dirtySmall int
	var groups []Group
	for _, f := range files {
		switch {
		case f.Bytes > p.Oversized():
			n := int(math.Round(float64(f.Live()) / float64(p.Target)))
			groups = append(groups, p.group([]File{f}, n, fmt.Sprintf("1 file of %s is over %s", Size(f.Bytes), Size(p.Oversized()))))
		case p.manyDeletes(f, full), full && f.Unsorted:
			chosen = append(chosen, f)
			if f.Bytes < p.Small() {
				dirtySmall++
			}
		case f.Bytes < p.Small():
			small = append(small, f)
		}
	}
	heavy := len(chosen)
	joined := p.smallOnes(small, dirtySmall, full, quiet, held)
	chosen = append(chosen, joined...)
	if len(chosen) == 0 {
		return groups
	}
	slices.SortFunc(chosen, func(a, b File) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Path, b.Path))
	})
	for _, part := range p.runs(chosen) {
		var total int64
		dirty, unsorted := 0, 0
		for _, f := range part {
			total += f.Bytes
			switch {
			case heavy > 0 && p.manyDeletes(f, full):
				dirty++
			case full && f.Unsorted:
				unsorted++
			}
		}
		if len(part) == 1 && dirty+unsorted == 0 {
			held.lone++
			continue
		}
		var why []string
		if n := len(part) - dirty - unsorted; n > 0 {
			why = append(why, fmt.Sprintf("%s below %s", count(int64(n), "file"), Size(p.Small())))
		}
		if dirty > 0 {
			why = append(why, fmt.Sprintf("%s with many deleted rows", count(int64(dirty), "file")))
		}
		if unsorted > 0 {
			why = append(why, fmt.Sprintf("%s not in the table's order", count(int64(unsorted), "file")))
		}
		groups = append(groups, p.group(part, p.outputs(part), strings.Join(why, ", ")))
	}
	return groups
}

// fragments plans a partition that is held back: only what can be copied.
func (p Policy) fragments(files []File, quiet time.Duration, held *reasons) []Group {
	p.Sort = nil
	clean := slices.DeleteFunc(slices.Clone(files), func(f File) bool {
		if f.Deletes > 0 || f.Bytes > p.Oversized() {
			held.back++
			return true
		}
		return false
	})
	return p.partition(clean, false, quiet, held)
}

func (p Policy) manyDeletes(f File, full bool) bool {
	return f.Deletes > 0 && (full || f.Deletes >= p.MaxDeletes || float64(f.Deleted) >= p.DeleteRatio*float64(f.Rows))
}

// smallOnes chooses the small files of a partition that are worth joining now;
// others is how many small files are rewritten there in any case.
func (p Policy) smallOnes(small []File, others int, full bool, quiet time.Duration, held *reasons) []File {
	least, growth := p.MinFiles, p.Growth
	switch {
	case full:
		least, growth = 2, math.Inf(1)
	case p.Quiet > 0 && quiet >= longQuiet*p.Quiet:
		least, growth = 2, math.Inf(1)
	case quiet >= p.Quiet:
		least, growth = 2, 8*p.Growth
	}
	held.most = max(held.most, len(small)+others)
	if len(small) == 1 && others == 0 {
		held.alone++
		return nil
	}
	if least = max(1, least-others); len(small) < least {
		held.few += len(small)
		return nil
	}
	slices.SortFunc(small, func(a, b File) int { return cmp.Compare(a.Bytes, b.Bytes) })
	var sum int64
	// Files between two gaps are worth a job when there are enough of them; the
	// few below, which are not, go with them. Those above a gap never pay for
	// the few below it: they would be read again for each that arrives.
	start := 0
	for i, f := range small {
		if i > 0 && float64(f.Bytes) > growth*float64(sum) {
			if i-start >= least {
				held.large += len(small) - i
				return small[:i]
			}
			start = i
		}
		sum += f.Bytes
	}
	if len(small)-start < least {
		held.few += len(small)
		return nil
	}
	return small
}

// readTargets bounds what one group reads where most of it is deleted: so many
// times what it writes.
const readTargets = 8

// cut divides files, in their order, into runs of about the target size, as far as
// they are not deleted, and of at most so many files. The last run is never a runt:
// the number of runs is chosen first.
func (p Policy) cut(files []File, most int) [][]File {
	var total, read int64
	for _, f := range files {
		total += f.Live()
		read += f.Bytes
	}
	n := max(1, int(math.Round(float64(total)/float64(p.Target))), int((read-1)/(readTargets*p.Target))+1)
	// Room for runs of unequal numbers of files.
	n = max(n, (len(files)*10/9+most-1)/most)
	var out [][]File
	var done int64
	start := 0
	read = 0
	for i, f := range files {
		done += f.Live()
		read += f.Bytes
		// The end of this run is where the next file would pass the mark by
		// more than it falls short now.
		mark := total / int64(n) * int64(len(out)+1)
		next := int64(0)
		if i+1 < len(files) {
			next = files[i+1].Live()
		}
		if i == len(files)-1 || len(out) < n-1 && done+next/2 >= mark || i+1-start >= most || read+files[i+1].Bytes > readTargets*p.Target {
			out = append(out, files[start:i+1])
			start, read = i+1, 0
		}
	}
	return out
}

func (p Policy) group(files []File, outputs int, reason string) Group {
	g := Group{Tier: Fuse, SpecID: files[0].SpecID, Partition: files[0].Partition, Files: files, Outputs: max(outputs, 1), Reason: reason}
	for _, f := range files {
		g.Bytes += f.Bytes
		g.Rows += f.Rows
		if f.Deletes > 0 {
			g.Tier = Rewrite
		}
	}
	if !p.fuses(g.Outputs) {
		g.Tier = Rewrite
	}
	return g
}

// fuses: files without deletes can be joined without decoding into so many.
func (p Policy) fuses(outputs int) bool {
	return p.AllowFuse && outputs <= 1 && len(p.Sort) == 0
}

// reasons counts what was left alone, for WhyNot.
type reasons struct {
	few, large, lone, alone, most int
	back                          int // in partitions that are held back
}

func (r reasons) text(files, partitions int, p Policy) string {
	switch {
	case files == 0:
		return "the table is empty"
	case r.back > 0:
		return fmt.Sprintf("%s with deletes or too large in a hot partition wait until no writer came for %s", count(int64(r.back), "file"), p.Quiet)
	case r.large > 0:
		return fmt.Sprintf("%s left until smaller ones add up to 1/%g of them", count(int64(r.large), "file"), p.Growth)
	case r.few > 0:
		return fmt.Sprintf("%s in %s: joining needs %d in one partition, or 2 when it had no commit for %s; there are %d at most",
			count(int64(r.few), "small file"), count(int64(partitions), "partition"), p.MinFiles, p.Quiet, r.most)
	case r.alone == 1:
		return "1 small file alone in its partition has nothing to be joined with"
	case r.alone >= manyPartitions:
		return fmt.Sprintf("%d small files, each alone in its partition, have nothing to be joined with; a coarser partition spec would let them", r.alone)
	case r.alone > 1:
		return fmt.Sprintf("%d small files, each alone in its partition, have nothing to be joined with", r.alone)
	case r.lone > 0:
		return fmt.Sprintf("%s near the target: joined with a neighbour it would be too large", count(int64(r.lone), "file"))
	}
	return "every other file has the right size and few deletes"
}
