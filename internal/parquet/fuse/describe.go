package fuse

import "github.com/apache/arrow-go/v18/parquet/metadata"

// describe appends to the last row group of a footer the column chunk that begins
// at start and is made of chunks.
func describe(out *metadata.FileMetaData, chunks []chunk, start int64) {
	rg := out.RowGroups[len(out.RowGroups)-1]
	first := chunks[0]
	chunk := clone(first.src.md.RowGroups[first.rg].Columns[first.col])
	m := clone(chunk.MetaData)
	chunk.MetaData = m
	at, _ := first.extent()
	shift := start - at
	m.DataPageOffset += shift
	if d := m.DictionaryPageOffset; d != nil {
		if *d > 0 {
			m.DictionaryPageOffset = new(*d + shift)
		} else {
			m.DictionaryPageOffset = nil
		}
	}
	chunk.FileOffset = m.DataPageOffset
	// Bloom filters and histograms of the inputs stay behind; indexes come later.
	chunk.ColumnIndexOffset, chunk.ColumnIndexLength = nil, nil
	chunk.OffsetIndexOffset, chunk.OffsetIndexLength = nil, nil
	m.BloomFilterOffset, m.BloomFilterLength = nil, nil
	m.SizeStatistics, m.GeospatialStatistics = nil, nil
	m.KeyValueMetadata = nil
	for _, next := range chunks[1:] {
		n := next.src.md.RowGroups[next.rg].Columns[next.col].MetaData
		m.NumValues += n.NumValues
		m.TotalCompressedSize += n.TotalCompressedSize
		m.TotalUncompressedSize += n.TotalUncompressedSize
		m.Encodings = unite(append(m.Encodings[:0:0], m.Encodings...), n.Encodings)
		if len(m.EncodingStats) == 0 || len(n.EncodingStats) == 0 {
			m.EncodingStats = nil
			continue
		}
		stats := m.EncodingStats[:0:0]
		for _, s := range m.EncodingStats {
			stats = append(stats, clone(s))
		}
	add:
		for _, s := range n.EncodingStats {
			for _, have := range stats {
				if have.PageType == s.PageType && have.Encoding == s.Encoding {
					have.Count += s.Count
					continue add
				}
			}
			stats = append(stats, clone(s))
		}
		m.EncodingStats = stats
	}
	if s := m.Statistics; s != nil {
		s = clone(s)
		b := mergeStatistics(chunks)
		s.Min, s.Max, s.DistinctCount = nil, nil, nil
		s.MinValue, s.MaxValue = b.min, b.max
		s.IsMinValueExact, s.IsMaxValueExact = b.minExact, b.maxExact
		s.NullCount, s.NanCount = b.nulls, b.nans
		m.Statistics = s
		if b.empty() {
			m.Statistics = nil
		}
	}
	rg.TotalByteSize += m.TotalUncompressedSize
	rg.Columns = append(rg.Columns, chunk)
}
