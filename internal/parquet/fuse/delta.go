package fuse

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// A block of DELTA_BINARY_PACKED: as all writers make them.
const (
	deltaBlock = 128
	deltaMinis = 4
	deltaMini  = deltaBlock / deltaMinis
)

// deltas encodes 64-bit numbers as DELTA_BINARY_PACKED. Runs with a constant step
// cost five bytes a block and no work a value.
type deltas struct {
	blocks      []byte
	n           int64
	first, last int64
	block       [deltaBlock]int64 // deltas that are not encoded yet
	pending     int
	least, most int64
}

// run adds n numbers: v, v+step, v+2*step, and so on, modulo 2^64.
func (d *deltas) run(v, step, n int64) {
	if n <= 0 {
		return
	}
	if d.n++; d.n == 1 {
		d.first, d.last, d.least, d.most = v, v, v, v
	} else {
		d.push(v - d.last)
	}
	d.bound(v)
	if end, wraps := endOf(v, step, n); wraps {
		d.least, d.most = -1<<63, 1<<63-1 // true, if wide
	} else {
		d.bound(end)
	}
	d.n, n = d.n+n-1, n-1
	for ; n > 0 && d.pending > 0; n-- {
		d.push(step)
	}
	if whole := n / deltaBlock; whole > 0 {
		head := append(binary.AppendVarint(nil, step), 0, 0, 0, 0)
		for range whole {
			d.blocks = append(d.blocks, head...)
		}
		d.last += step * whole * deltaBlock
		n -= whole * deltaBlock
	}
	for ; n > 0; n-- {
		d.push(step)
	}
}

func (d *deltas) bound(v int64) { d.least, d.most = min(d.least, v), max(d.most, v) }

// endOf is the last number of a run, and whether the numbers pass the end of their
// range on the way.
func endOf(v, step, n int64) (end int64, wraps bool) {
	end = v + step*(n-1)
	hi, lo := bits.Mul64(uint64(max(step, -step)), uint64(n-1))
	return end, hi > 0 || lo > 1<<63-1 || (end < v) != (step < 0) && step != 0 && n > 1
}

func (d *deltas) push(delta int64) {
	d.block[d.pending] = delta
	d.last += delta
	if d.pending++; d.pending == deltaBlock {
		d.flush()
	}
}

// flush encodes the pending deltas: the least of them, the widths of what they are
// above it, a byte for each miniblock, and that, in as many bits.
func (d *deltas) flush() {
	if d.pending == 0 {
		return
	}
	some := d.block[:d.pending]
	least := some[0]
	for _, v := range some {
		least = min(least, v)
	}
	d.blocks = binary.AppendVarint(d.blocks, least)
	at := len(d.blocks)
	d.blocks = append(d.blocks, make([]byte, deltaMinis)...)
	for i := 0; i*deltaMini < len(some); i++ {
		mini := some[i*deltaMini : min((i+1)*deltaMini, len(some))]
		var all uint64
		for _, v := range mini {
			all |= uint64(v - least)
		}
		width := bits.Len64(all)
		d.blocks[at+i] = byte(width)
		d.pack(mini, least, width)
	}
	d.pending = 0
}

// pack appends a miniblock, the lowest bits first; what is missing of it is zero.
func (d *deltas) pack(mini []int64, least int64, width int) {
	out := make([]byte, deltaMini/8*width)
	for i, v := range mini {
		for at, left, rest := i*width, width, uint64(v-least); left > 0; {
			n := min(left, 8-at%8)
			out[at/8] |= byte(rest << (at % 8))
			rest, at, left = rest>>n, at+n, left-n
		}
	}
	d.blocks = append(d.blocks, out...)
}

// append ends the encoding and appends it.
func (d *deltas) append(to []byte) []byte {
	d.flush()
	to = binary.AppendUvarint(to, deltaBlock)
	to = binary.AppendUvarint(to, deltaMinis)
	to = binary.AppendUvarint(to, uint64(d.n))
	to = binary.AppendVarint(to, d.first)
	return append(to, d.blocks...)
}

// undelta decodes numbers that [deltas] encoded, as runs, and fails unless there are
// n of them and nothing else.
func undelta(b []byte, n int64, run func(v, step, n int64)) error {
	var head [3]uint64
	for i := range head {
		v, used := binary.Uvarint(b)
		if used <= 0 {
			return fmt.Errorf("delta encoding: no header")
		}
		head[i], b = v, b[used:]
	}
	last, used := binary.Varint(b)
	if used <= 0 || head != [3]uint64{deltaBlock, deltaMinis, uint64(n)} {
		return fmt.Errorf("delta encoding: header %v, %d values are expected", head, n)
	}
	b = b[used:]
	if n > 0 {
		run(last, 0, 1)
		n--
	}
	for n > 0 {
		least, used := binary.Varint(b)
		if used <= 0 || len(b) < used+deltaMinis {
			return fmt.Errorf("delta encoding: it ends %d values early", n)
		}
		widths := b[used : used+deltaMinis]
		b = b[used+deltaMinis:]
		for i := range deltaMinis {
			some, width := min(n, deltaMini), int(widths[i])
			if some == 0 && width > 0 {
				return fmt.Errorf("delta encoding: bits without values")
			}
			if width > 64 || len(b) < deltaMini/8*width {
				return fmt.Errorf("delta encoding: it ends %d values early", n)
			}
			if width == 0 && some > 0 {
				run(last+least, least, some)
				last += least * some
			}
			for v := int64(0); v < some && width > 0; v++ {
				last += least + int64(unpack(b, int(v)*width, width))
				run(last, 0, 1)
			}
			for v := some; v < deltaMini && width > 0; v++ {
				if unpack(b, int(v)*width, width) != 0 {
					return fmt.Errorf("delta encoding: bits without values")
				}
			}
			b, n = b[deltaMini/8*width:], n-some
		}
	}
	if len(b) > 0 {
		return fmt.Errorf("delta encoding: %d bytes too many", len(b))
	}
	return nil
}

func unpack(b []byte, at, width int) (v uint64) {
	for done := 0; done < width; {
		n := min(width-done, 8-at%8)
		v |= uint64(b[at/8]>>(at%8)&(1<<n-1)) << done
		at, done = at+n, done+n
	}
	return v
}
