package plan

import (
	"cmp"
	"slices"
)

// ranked is a number that a partition has.
type ranked struct {
	n   int64
	key string
}

func compareRanks(a, b ranked) int { return cmp.Or(cmp.Compare(a.n, b.n), cmp.Compare(a.key, b.key)) }

// ranks are numbers in rising order, in blocks: one is put in, taken out or found by
// its place without moving, or looking at, the others.
type ranks struct {
	blocks [][]ranked
	count  int
}

// rankBlock is the most that a block holds.
const rankBlock = 512

// block finds the one where r is, or belongs.
func (s *ranks) block(r ranked) int {
	i, _ := slices.BinarySearchFunc(s.blocks, r, func(b []ranked, r ranked) int { return compareRanks(b[len(b)-1], r) })
	return min(i, len(s.blocks)-1)
}

func (s *ranks) add(r ranked) {
	s.count++
	if len(s.blocks) == 0 {
		s.blocks = [][]ranked{{r}}
		return
	}
	i := s.block(r)
	at, _ := slices.BinarySearchFunc(s.blocks[i], r, compareRanks)
	b := slices.Insert(s.blocks[i], at, r)
	s.blocks[i] = b
	if len(b) > rankBlock {
		half := slices.Clone(b[len(b)/2:])
		s.blocks[i] = slices.Clip(b[:len(b)/2])
		s.blocks = slices.Insert(s.blocks, i+1, half)
	}
}

// remove takes out what was added.
func (s *ranks) remove(r ranked) {
	if len(s.blocks) == 0 {
		return
	}
	i := s.block(r)
	at, found := slices.BinarySearchFunc(s.blocks[i], r, compareRanks)
	if !found {
		return
	}
	s.count--
	if s.blocks[i] = slices.Delete(s.blocks[i], at, at+1); len(s.blocks[i]) == 0 {
		s.blocks = slices.Delete(s.blocks, i, i+1)
	}
}

// at is the one in a place, from 0.
func (s *ranks) at(place int) ranked {
	for _, b := range s.blocks {
		if place < len(b) {
			return b[place]
		}
		place -= len(b)
	}
	return ranked{}
}

// most is the largest; the zero value of none.
func (s *ranks) most() ranked { return s.at(s.count - 1) }

// all the numbers, in rising order.
func (s *ranks) all() []int64 {
	out := make([]int64, 0, s.count)
	for _, b := range s.blocks {
		for _, r := range b {
			out = append(out, r.n)
		}
	}
	return out
}
