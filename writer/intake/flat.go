package intake

import (
	"encoding/binary"
)

// table reads a flatbuffers table with every access checked. arrow-go's own
// accessors trust the buffer: a vector length is handed to make() before
// anything is read, which ends the process.
type table struct {
	buf []byte
	pos int
}

func (t table) u16(at int) (int, bool) {
	if at < 0 || at+2 > len(t.buf) {
		return 0, false
	}
	return int(binary.LittleEndian.Uint16(t.buf[at:])), true
}

func (t table) u32(at int) (int, bool) {
	if at < 0 || at+4 > len(t.buf) {
		return 0, false
	}
	return int(binary.LittleEndian.Uint32(t.buf[at:])), true
}

func (t table) i64(at int) (int64, bool) {
	if at < 0 || at+8 > len(t.buf) {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint64(t.buf[at:])), true
}

// root answers the root table of buf.
func root(buf []byte) (table, bool) {
	t := table{buf: buf}
	at, ok := t.u32(0)
	if !ok {
		return t, false
	}
	return t.at(at)
}

// at answers the table at a position, after checking its vtable.
func (t table) at(pos int) (table, bool) {
	out := table{buf: t.buf, pos: pos}
	soffset, ok := t.u32(pos)
	if !ok {
		return out, false
	}
	vt := pos - int(int32(uint32(soffset)))
	size, ok := t.u16(vt)
	if !ok || size < 4 || vt+size > len(t.buf) {
		return out, false
	}
	inline, ok := t.u16(vt + 2)
	if !ok || inline < 4 || pos+inline > len(t.buf) {
		return out, false
	}
	return out, true
}

// field answers the position of a field's value, 0 when it is absent. The
// value must have width bytes within the buffer.
func (t table) field(slot, width int) (int, bool) {
	soffset, _ := t.u32(t.pos)
	vt := t.pos - int(int32(uint32(soffset)))
	size, _ := t.u16(vt)
	if slot+2 > size {
		return 0, true
	}
	off, _ := t.u16(vt + slot)
	if off == 0 {
		return 0, true
	}
	at := t.pos + off
	return at, at+width <= len(t.buf)
}

// child answers the table a field refers to; absent gives present false.
func (t table) child(slot int) (c table, present, ok bool) {
	at, ok := t.field(slot, 4)
	if !ok || at == 0 {
		return table{}, false, ok
	}
	rel, ok := t.u32(at)
	if !ok {
		return table{}, false, false
	}
	c, ok = t.at(at + rel)
	return c, true, ok
}

// vector answers where the elements of a vector field begin and how many
// there are; all of them lie in the buffer.
func (t table) vector(slot, width int) (at, n int, ok bool) {
	at, ok = t.field(slot, 4)
	if !ok || at == 0 {
		return 0, 0, ok
	}
	rel, ok := t.u32(at)
	if !ok {
		return 0, 0, false
	}
	at += rel
	n, ok = t.u32(at)
	if !ok || n > (len(t.buf)-at-4)/width {
		return 0, 0, false
	}
	return at + 4, n, true
}

// text answers a string field.
func (t table) text(slot int) (string, bool) {
	at, n, ok := t.vector(slot, 1)
	if !ok {
		return "", false
	}
	return string(t.buf[at : at+n]), true
}
