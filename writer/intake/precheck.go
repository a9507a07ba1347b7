package intake

import (
	"encoding/binary"
)

// Numbers of the Arrow format (Message.fbs, Schema.fbs).
const (
	headerSchema     = 1
	headerDictionary = 2
	headerBatch      = 3

	typeInt           = 2
	typeUnion         = 14
	typeFixedBinary   = 15
	typeFixedList     = 16
	typeRunEndEncoded = 22
	typeBinaryView    = 23
	typeTextView      = 24
	typeListView      = 25
	typeLargeListView = 26
	typeLast          = 26

	codecLZ4  = 0
	codecZstd = 1

	continuation = 0xFFFFFFFF
	// maxWindow is what a zstd frame may ask a decoder to keep, besides its
	// own content size.
	maxWindow = 8 << 20
)

// precheck walks all messages of an Arrow IPC stream without decoding rows. It
// proves that every count and offset that arrow-go will use to allocate or to
// slice lies within the input or the limits.
func precheck(data []byte, l Limits) error {
	p := &prechecker{limits: l}
	for first := true; ; first = false {
		if len(data) == 0 {
			if first {
				return malformed("it is empty")
			}
			return nil // a stream may end without a marker
		}
		meta, body, rest, end, err := nextMessage(data)
		if err != nil {
			return err
		}
		if end {
			if first {
				return malformed("it has no schema")
			}
			return nil
		}
		if err := p.message(meta, body, first); err != nil {
			return err
		}
		data = rest
	}
}

// nextMessage cuts the first encapsulated message off.
func nextMessage(data []byte) (meta, body, rest []byte, end bool, err error) {
	if len(data) < 4 {
		return nil, nil, nil, false, malformed("it is cut off within a message header")
	}
	n := binary.LittleEndian.Uint32(data)
	data = data[4:]
	if n == continuation {
		if len(data) < 4 {
			return nil, nil, nil, false, malformed("it is cut off within a message header")
		}
		n = binary.LittleEndian.Uint32(data)
		data = data[4:]
	}
	if n == 0 {
		return nil, nil, nil, true, nil
	}
	if uint64(n) > uint64(len(data)) {
		return nil, nil, nil, false, malformed("a message declares %d bytes of metadata and %d are there", n, len(data))
	}
	meta, data = data[:n], data[n:]
	msg, ok := root(meta)
	if !ok {
		return nil, nil, nil, false, malformed("a message has no valid root")
	}
	at, ok := msg.field(10, 8)
	if !ok {
		return nil, nil, nil, false, malformed("a message has no valid body length")
	}
	var size int64
	if at != 0 {
		size, _ = msg.i64(at)
	}
	if size < 0 || size > int64(len(data)) {
		return nil, nil, nil, false, malformed("a message declares a body of %d bytes and %d are there", size, len(data))
	}
	return meta, data[:size], data[size:], false, nil
}

type prechecker struct {
	limits Limits
	fields int
	rows   int64
	// plain counts the bytes that compressed buffers declare.
	plain int64
	// nodes and views are how many columns of a batch the schema has, nested
	// ones included: arrow-go reads that many entries of the batch's lists,
	// whatever their length.
	nodes, views int
	// values is set within the values of a dictionary, which come in batches
	// of their own.
	values bool
}

func (p *prechecker) message(meta, body []byte, first bool) error {
	msg, _ := root(meta)
	kindAt, ok := msg.field(6, 1)
	if !ok || kindAt == 0 {
		return malformed("a message has no type")
	}
	header, present, ok := msg.child(8)
	if !ok || !present {
		return malformed("a message has no header")
	}
	if err := metadata(msg, 12); err != nil {
		return err
	}
	kind := msg.buf[kindAt]
	if first != (kind == headerSchema) {
		return malformed("it must begin with its one schema")
	}
	switch kind {
	case headerSchema:
		return p.schema(header)
	case headerDictionary:
		batch, present, ok := header.child(6)
		if !ok || !present {
			return malformed("a dictionary has no values")
		}
		return p.batch(batch, body, false)
	case headerBatch:
		return p.batch(header, body, true)
	}
	return malformed("a message of type %d does not belong in a stream of rows", kind)
}

func (p *prechecker) schema(s table) error {
	if at, ok := s.field(4, 2); !ok {
		return malformed("its byte order is unreadable")
	} else if at != 0 {
		if order, _ := s.u16(at); order != 0 {
			return malformed("it is big-endian; send little-endian")
		}
	}
	if err := metadata(s, 8); err != nil {
		return err
	}
	return p.children(s, 6, 1)
}

func (p *prechecker) children(t table, slot, depth int) error {
	at, n, ok := t.vector(slot, 4)
	if !ok {
		return malformed("a list of fields runs past its message")
	}
	for i := range n {
		rel, ok := t.u32(at + 4*i)
		if !ok {
			return malformed("a field runs past its message")
		}
		f, ok := t.at(at + 4*i + rel)
		if !ok {
			return malformed("a field runs past its message")
		}
		if err := p.field(f, depth); err != nil {
			return err
		}
	}
	return nil
}

func (p *prechecker) field(f table, depth int) error {
	// Several fields may share one table, so count visits, not tables.
	if p.fields++; p.fields > p.limits.Fields {
		return malformed("its schema has more than %d fields", p.limits.Fields)
	}
	if depth > p.limits.Depth {
		return malformed("its schema nests deeper than %d levels", p.limits.Depth)
	}
	name, ok := f.text(4)
	if !ok {
		return malformed("a field has no readable name")
	}
	at, ok := f.field(8, 1)
	if !ok || at == 0 {
		return malformed("column %q has no type", name)
	}
	typ, present, ok := f.child(10)
	if !ok || !present {
		return malformed("column %q has no type", name)
	}
	switch kind := f.buf[at]; {
	case kind == 0 || kind > typeLast:
		return malformed("column %q has type number %d, which is not known", name, kind)
	case kind == typeUnion, kind == typeRunEndEncoded, kind == typeListView, kind == typeLargeListView:
		return malformed("column %q is a union, run-end encoded or list view, which tables do not have", name)
	case kind == typeFixedBinary, kind == typeFixedList:
		at, ok := typ.field(4, 4)
		if !ok {
			return malformed("column %q has no readable width", name)
		}
		if at != 0 {
			if width, _ := typ.u32(at); width > 1<<24 {
				return malformed("column %q declares a width of %d", name, width)
			}
		}
	case kind == typeInt:
		if _, ok := typ.field(4, 4); !ok {
			return malformed("column %q has no readable width", name)
		}
	}
	view := f.buf[at] == typeBinaryView || f.buf[at] == typeTextView
	dict, encoded, ok := f.child(12)
	if !ok {
		return malformed("column %q has no readable dictionary", name)
	}
	if encoded {
		if _, _, ok := dict.child(6); !ok {
			return malformed("column %q has no readable dictionary index", name)
		}
	}
	if !p.values {
		p.nodes++
	}
	if view {
		if p.values || encoded {
			return malformed("column %q is a dictionary of views; send it without a dictionary", name)
		}
		p.views++
	}
	outer := p.values
	p.values = p.values || encoded
	defer func() { p.values = outer }()
	if err := metadata(f, 16); err != nil {
		return err
	}
	return p.children(f, 14, depth+1)
}

func metadata(t table, slot int) error {
	at, n, ok := t.vector(slot, 4)
	if !ok || n > 10_000 {
		return malformed("a list of metadata runs past its message")
	}
	for i := range n {
		rel, ok := t.u32(at + 4*i)
		if !ok {
			return malformed("metadata runs past its message")
		}
		kv, ok := t.at(at + 4*i + rel)
		if !ok {
			return malformed("metadata runs past its message")
		}
		if _, ok := kv.text(4); !ok {
			return malformed("a metadata key runs past its message")
		}
		if _, ok := kv.text(6); !ok {
			return malformed("a metadata value runs past its message")
		}
	}
	return nil
}

// batch checks the counts of one record batch against its body.
func (p *prechecker) batch(b table, body []byte, rows bool) error {
	var length int64
	at, ok := b.field(4, 8)
	if !ok {
		return malformed("a batch has no readable length")
	}
	if at != 0 {
		length, _ = b.i64(at)
	}
	if length < 0 || length > p.limits.Rows {
		return malformed("a batch declares %d rows; the most is %d", length, p.limits.Rows)
	}
	if rows {
		if p.rows += length; p.rows > p.limits.Rows {
			return malformed("it has more than %d rows; send smaller batches", p.limits.Rows)
		}
	}
	at, n, ok := b.vector(6, 16)
	if !ok || n > 2*p.limits.Fields {
		return malformed("the columns of a batch run past its message")
	}
	if rows && n < p.nodes {
		return malformed("a batch has %d columns and its schema %d, nested ones included", n, p.nodes)
	}
	for i := range n {
		size, _ := b.i64(at + 16*i)
		nulls, _ := b.i64(at + 16*i + 8)
		// Every value of a nested column takes at least a bit of the body,
		// save those of null columns, which are bounded by the rows.
		if size < 0 || nulls < 0 || nulls > size || size > max(p.limits.Rows, 8*p.limits.Memory) {
			return malformed("a column declares %d values of which %d are null", size, nulls)
		}
	}
	at, n, ok = b.vector(8, 16)
	if !ok || n > 16*p.limits.Fields {
		return malformed("the buffers of a batch run past its message")
	}
	codec := -1
	compression, present, ok := b.child(10)
	if !ok {
		return malformed("the compression of a batch is unreadable")
	}
	if present {
		codec = codecLZ4
		if at, ok := compression.field(4, 1); !ok {
			return malformed("the compression of a batch is unreadable")
		} else if at != 0 {
			codec = int(b.buf[at])
		}
		if codec != codecLZ4 && codec != codecZstd {
			return malformed("compression %d is not known; use lz4 or zstd", codec)
		}
	}
	for i := range n {
		off, _ := b.i64(at + 16*i)
		size, _ := b.i64(at + 16*i + 8)
		if off < 0 || size < 0 || off > int64(len(body)) || size > int64(len(body))-off {
			return malformed("a buffer lies outside its batch")
		}
		if codec >= 0 && size > 0 {
			if err := p.compressed(body[off:off+size], codec); err != nil {
				return err
			}
		}
	}
	at, m, ok := b.vector(12, 8)
	if !ok || (rows && m < p.views) {
		return malformed("the view buffers of a batch run past its message")
	}
	var views int64
	for i := range m {
		v, _ := b.i64(at + 8*i)
		if v < 0 || v > int64(n) {
			return malformed("a view column declares %d buffers", v)
		}
		if views += v; views > int64(n) {
			return malformed("view columns declare more buffers than there are")
		}
	}
	return nil
}

// compressed checks what one compressed buffer claims and asks for.
func (p *prechecker) compressed(b []byte, codec int) error {
	if len(b) < 8 {
		return malformed("a compressed buffer is too short")
	}
	plain := int64(binary.LittleEndian.Uint64(b))
	if plain == -1 {
		return nil // stored as it is
	}
	if plain < 0 || plain > p.limits.Memory {
		return malformed("a compressed buffer declares %d bytes; send smaller batches", plain)
	}
	if p.plain += plain; p.plain > p.limits.Memory {
		return malformed("it needs more than the %d bytes allowed for one request once decompressed; send smaller batches", p.limits.Memory)
	}
	if codec == codecZstd {
		return zstdFrame(b[8:], plain)
	}
	return nil
}

// zstdFrame proves that b is exactly one zstd frame whose window a decoder can
// afford (RFC 8878): a later frame could ask for another window.
func zstdFrame(b []byte, plain int64) error {
	bad := malformed("a zstd buffer is not one frame")
	if len(b) < 6 || binary.LittleEndian.Uint32(b) != 0xFD2FB528 {
		return bad
	}
	descriptor := b[4]
	at := 5
	single := descriptor&0x20 != 0
	if !single {
		exponent, mantissa := int64(b[at]>>3), int64(b[at]&7)
		at++
		base := int64(1) << (10 + exponent)
		if window := base + base/8*mantissa; window > max(maxWindow, 2*plain) {
			return malformed("a zstd buffer asks for a window of %d bytes; the most is %d", window, maxWindow)
		}
	}
	at += [4]int{0, 1, 2, 4}[descriptor&3]
	size := [4]int{0, 2, 4, 8}[descriptor>>6]
	if size == 0 && single {
		size = 1
	}
	if at+size > len(b) {
		return bad
	}
	if size > 0 {
		var raw [8]byte
		copy(raw[:], b[at:at+size])
		content := binary.LittleEndian.Uint64(raw[:])
		if size == 2 {
			content += 256
		}
		if content != uint64(plain) {
			return malformed("a zstd buffer holds %d bytes and declares %d", content, plain)
		}
	}
	at += size
	for {
		if at+3 > len(b) {
			return bad
		}
		header := int(b[at]) | int(b[at+1])<<8 | int(b[at+2])<<16
		at += 3
		n := header >> 3
		switch header >> 1 & 3 {
		case 1:
			n = 1 // run of one byte
		case 3:
			return bad
		}
		if at += n; at > len(b) {
			return bad
		}
		if header&1 != 0 {
			break
		}
	}
	if descriptor&4 != 0 {
		at += 4
	}
	if at != len(b) {
		return bad
	}
	return nil
}
