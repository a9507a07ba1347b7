package jobs

import (
	"math"
	"time"
)

const (
	// paceMemory is how far back a rate looks.
	paceMemory = 10 * time.Second
	// paceSample is the least time between two samples of it.
	paceSample = 500 * time.Millisecond
	// Before a step has run for so long and so many samples, what is left is not said.
	paceLeast   = 2 * time.Second
	paceSamples = 3
	// Nobody plans by more than this.
	paceMost = 7 * 24 * time.Hour
)

// pace is how fast a step of a run goes: a rate whose older samples count less and
// less.
type pace struct {
	step    string
	total   int64
	began   time.Time
	at      time.Time // of the last sample
	done    int64     // at the last sample
	samples int
	rate    float64 // bytes a second
}

// saw takes in how far a step is.
func (p *pace) saw(now time.Time, pr Progress) {
	if pr.Step != p.step || pr.Total != p.total || pr.Done < p.done {
		*p = pace{step: pr.Step, total: pr.Total, began: now, at: now, done: pr.Done}
		return
	}
	if now.Sub(p.at) < paceSample || pr.Done == p.done && p.samples == 0 {
		return // what came before the first bytes is no rate
	}
	p.rate = p.blend(now, pr.Done)
	p.at, p.done = now, pr.Done
	p.samples++
}

// blend is the rate with what happened since the last sample.
func (p *pace) blend(now time.Time, done int64) float64 {
	passed := now.Sub(p.at).Seconds()
	fresh := float64(done-p.done) / passed
	if p.samples == 0 {
		return fresh
	}
	weight := 1 - math.Exp(-passed/paceMemory.Seconds())
	return p.rate + weight*(fresh-p.rate)
}

// left says how long the step will take from now, and its rate; zero while that means
// nothing. A run that stands still gets slower with each look.
func (p *pace) left(now time.Time, pr Progress) (time.Duration, int64) {
	if pr.Step != p.step || pr.Total != p.total || pr.Done >= pr.Total || p.samples < paceSamples || now.Sub(p.began) < paceLeast {
		return 0, 0
	}
	rate := p.rate
	if now.Sub(p.at) >= paceSample {
		rate = p.blend(now, max(pr.Done, p.done))
	}
	seconds := float64(pr.Total-pr.Done) / rate
	if !(rate > 0 && seconds < paceMost.Seconds()) {
		return 0, 0
	}
	// Seconds are as exact as it is; and never zero, which would say that it is not known.
	return max(time.Second, time.Duration(math.Round(seconds))*time.Second), int64(rate)
}
