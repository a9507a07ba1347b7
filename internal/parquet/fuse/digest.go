package fuse

// Lineage is a digest of one column of row lineage: how many rows, the sum of
// their values modulo 2^64, and a hash that depends on their order.
type Lineage struct {
	Rows int64
	Sum  uint64
	Hash uint64
}

// digest makes a Lineage of runs. What it hashes is the sequence of values cut into
// the longest runs of a constant step, from its beginning, so that it is the same
// however the values come, and costs a run what it costs a value.
type digest struct {
	Lineage
	start, step, last int64 // of the run that goes on
	count             int64
}

// run adds v, v+step, v+2*step, and so on: n values.
func (d *digest) run(v, step, n int64) {
	if n <= 0 {
		return
	}
	d.Rows += n
	d.Sum += uint64(n)*uint64(v) + uint64(step)*triangle(uint64(n))
	for n > 0 {
		switch {
		case d.count == 1:
			d.step = v - d.last
		case d.count == 0 || v-d.last != d.step:
			d.close()
			d.start = v
		case n == 1 || step == d.step: // all the others go on with it
			d.count += n
			d.last = v + step*(n-1)
			return
		}
		d.count++
		d.last = v
		v, n = v+step, n-1
	}
}

// triangle is 0 + 1 + … + n-1 modulo 2^64.
func triangle(n uint64) uint64 {
	if n%2 == 0 {
		return n / 2 * (n - 1)
	}
	return (n - 1) / 2 * n
}

func (d *digest) close() {
	if d.count > 1 {
		d.mix(uint64(d.step))
	}
	if d.count > 0 {
		d.mix(uint64(d.start))
		d.mix(uint64(d.count))
	}
	d.count = 0
}

func (d *digest) mix(v uint64) {
	d.Hash = (d.Hash ^ v) * 0x9e3779b97f4a7c15
	d.Hash ^= d.Hash >> 29
}

// done ends the digest.
func (d digest) done() Lineage {
	d.close()
	return d.Lineage
}
