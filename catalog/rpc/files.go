package rpc

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	connectrpc "connectrpc.com/connect"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/lake"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// targetProperty is Iceberg's name for the file size that writers aim at.
const targetProperty = "write.target-file-size-bytes"

func (s *Service) targetBytes(meta table.Metadata) uint64 {
	if n, err := strconv.ParseUint(meta.Properties()[targetProperty], 10, 64); err == nil && n > 0 {
		return n
	}
	return s.target
}

// small reports whether a file counts as small: below three quarters of the
// target, where Iceberg's own rewrite draws the line too.
func small(size, target uint64) bool { return size < target/4*3 }

// partitions sums up the live files of the head by partition.
func (s *Service) partitions(ctx context.Context, t *catalog.Table) ([]*firnv1.PartitionSummary, error) {
	if t.CurrentSnapshot() == nil {
		return nil, nil
	}
	target := s.targetBytes(t.Metadata)
	names := newPartitionNames(t.Metadata)
	sums := map[string]*firnv1.PartitionSummary{}
	var bytes uint64
	for e, err := range s.files.Entries(ctx, t.Metadata, 0) {
		if err != nil {
			return nil, fmt.Errorf("files of table %s: %w", t.Ident, err)
		}
		if e.Data.ContentType() != iceberg.EntryContentData {
			continue
		}
		fields := names.fields(e.Data)
		sum := sums[partitionKey(fields)]
		if sum == nil {
			sum = &firnv1.PartitionSummary{Values: fields}
			sums[partitionKey(fields)] = sum
		}
		size := uint64(e.Data.FileSizeBytes())
		sum.Files++
		sum.Bytes += size
		sum.Rows += uint64(e.Data.Count())
		if small(size, target) {
			sum.SmallFiles++
		}
		bytes += size
	}
	out := make([]*firnv1.PartitionSummary, 0, len(sums))
	for _, sum := range sums {
		if bytes > 0 {
			sum.Share = float64(sum.GetBytes()) / float64(bytes)
		}
		out = append(out, sum)
	}
	slices.SortFunc(out, func(a, b *firnv1.PartitionSummary) int {
		return cmp.Or(cmp.Compare(b.GetBytes(), a.GetBytes()), cmp.Compare(partitionKey(a.GetValues()), partitionKey(b.GetValues())))
	})
	return out[:min(len(out), maxPartitions)], nil
}

// partitionKey tells NULL from every text, also from "null".
func partitionKey(fields []*firnv1.PartitionField) string {
	var b strings.Builder
	for _, f := range fields {
		b.WriteString(strconv.Quote(f.GetName()))
		if f.Value == nil {
			b.WriteString("=null,")
		} else {
			b.WriteString("=" + strconv.Quote(f.GetValue()) + ",")
		}
	}
	return b.String()
}

// ListFiles lists the live files of a snapshot, largest first, with the sizes
// of all of them.
func (s *Service) ListFiles(ctx context.Context, req *connectrpc.Request[firnv1.ListFilesRequest]) (*connectrpc.Response[firnv1.ListFilesResponse], error) {
	t, err := s.load(ctx, req.Msg.GetTable())
	if err == nil {
		var out *firnv1.ListFilesResponse
		if out, err = s.listFiles(ctx, t, req.Msg); err == nil {
			return connectrpc.NewResponse(out), nil
		}
	}
	return nil, s.fail(ctx, "list files", err)
}

func (s *Service) listFiles(ctx context.Context, t *catalog.Table, msg *firnv1.ListFilesRequest) (*firnv1.ListFilesResponse, error) {
	out := &firnv1.ListFilesResponse{TargetBytes: s.targetBytes(t.Metadata)}
	id := msg.GetSnapshotId()
	if id != 0 && t.Metadata.SnapshotByID(id) == nil {
		return nil, &userError{
			code: connectrpc.CodeNotFound, what: fmt.Sprintf("table %s has no snapshot %d", t.Ident, id),
			why: "it expired, or it belongs to another table", do: "firn table snapshots " + t.Ident.String() + " shows those there are",
		}
	}
	if id == 0 && t.CurrentSnapshot() == nil {
		return out, nil
	}
	var live []lake.Entry
	for e, err := range s.files.Entries(ctx, t.Metadata, id) {
		if err != nil {
			return nil, fmt.Errorf("files of table %s: %w", t.Ident, err)
		}
		live = append(live, e)
	}
	slices.SortFunc(live, func(a, b lake.Entry) int {
		return cmp.Or(cmp.Compare(b.Data.FileSizeBytes(), a.Data.FileSizeBytes()), cmp.Compare(a.Data.FilePath(), b.Data.FilePath()))
	})
	out.Total = uint64(len(live))
	out.Histogram = histogram(live)
	names := newPartitionNames(t.Metadata)
	for _, e := range live[:min(len(live), limit(msg.GetLimit(), 1000, 10_000))] {
		out.Files = append(out.Files, &firnv1.DataFile{
			Path:           e.Data.FilePath(),
			Content:        contentText(e.Data.ContentType()),
			Partition:      names.fields(e.Data),
			Rows:           uint64(e.Data.Count()),
			Bytes:          uint64(e.Data.FileSizeBytes()),
			SequenceNumber: e.Sequence,
			SpecId:         e.Data.SpecID(),
		})
	}
	return out, nil
}

func contentText(c iceberg.ManifestEntryContent) string {
	switch c {
	case iceberg.EntryContentPosDeletes:
		return "position-deletes"
	case iceberg.EntryContentEqDeletes:
		return "equality-deletes"
	default:
		return "data"
	}
}

// histogram counts data files by powers of two, without gaps between the
// smallest and the largest.
func histogram(live []lake.Entry) []*firnv1.SizeBucket {
	files, bytes := map[int]uint64{}, map[int]uint64{}
	low, high := 64, -1
	for _, e := range live {
		if e.Data.ContentType() != iceberg.EntryContentData {
			continue
		}
		size := uint64(max(e.Data.FileSizeBytes(), 1))
		k := bits.Len64(size) // size is below 1<<k
		low, high = min(low, k), max(high, k)
		files[k]++
		bytes[k] += size
	}
	var out []*firnv1.SizeBucket
	for k := low; k <= high; k++ {
		out = append(out, &firnv1.SizeBucket{Below: 1 << k, Files: files[k], Bytes: bytes[k]})
	}
	return out
}
