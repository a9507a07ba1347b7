package plan

import (
	"maps"
	"math"
	"time"
)

// Rate is how fast a tier works on this machine.
type Rate struct {
	// BytesPerSecond of input.
	BytesPerSecond float64 `json:"bytes_per_second"`
	// JobSeconds is what a job costs whatever its size.
	JobSeconds float64 `json:"job_seconds"`
	// Samples that it was measured from.
	Samples int64 `json:"samples"`
}

// Rates are measured from finished jobs. It is a plain value that is stored as
// JSON; nil holds the rates of a modest machine.
type Rates map[Tier]Rate

// What is assumed before anything was measured.
var firstRates = Rates{
	Fuse:    {BytesPerSecond: 400 << 20, JobSeconds: 0.2},
	Rewrite: {BytesPerSecond: 40 << 20, JobSeconds: 0.5},
	Reshape: {BytesPerSecond: 30 << 20, JobSeconds: 0.5},
}

const (
	// rateWeight is the part that one sample has in the average.
	rateWeight = 0.2
	// A job of so many bytes or more measures the rate, a smaller one the fixed
	// cost.
	rateSample = 32 << 20
	// No sample counts as further off than this factor: one job that waited for a
	// sleeping disk does not turn the order of all tables.
	rateLeap = 4
	// Limits of what is believed.
	slowest, fastest   = 1 << 20, 8 << 30
	leastJob, mostJobs = 0.01, 60
)

// Of answers a tier's rate, or the first guess.
func (r Rates) Of(t Tier) Rate {
	if rate, ok := r[t]; ok && rate.BytesPerSecond > 0 {
		return rate
	}
	if rate, ok := firstRates[t]; ok {
		return rate
	}
	return firstRates[Rewrite]
}

// Seconds is how long a tier takes for so many bytes.
func (r Rates) Seconds(t Tier, bytes int64) float64 {
	rate := r.Of(t)
	return rate.JobSeconds + float64(bytes)/rate.BytesPerSecond
}

// Observe answers the rates after a job that read so many bytes in so long. r
// itself stays as it is.
func (r Rates) Observe(t Tier, bytes int64, took time.Duration) Rates {
	seconds := took.Seconds()
	if bytes <= 0 || seconds <= 0 {
		return r
	}
	rate := r.Of(t)
	if bytes >= rateSample {
		// Never less than a tenth of the time is thought to be the bytes'.
		sample := float64(bytes) / max(seconds-rate.JobSeconds, seconds/10)
		rate.BytesPerSecond = blend(rate.BytesPerSecond, sample, slowest, fastest)
	} else {
		sample := max(seconds-float64(bytes)/rate.BytesPerSecond, 0)
		rate.JobSeconds = blend(rate.JobSeconds, sample, leastJob, mostJobs)
	}
	rate.Samples++
	out := maps.Clone(r)
	if out == nil {
		out = Rates{}
	}
	out[t] = rate
	return out
}

func blend(have, sample, least, most float64) float64 {
	sample = math.Min(math.Max(sample, have/rateLeap), have*rateLeap)
	return math.Min(math.Max(have+rateWeight*(sample-have), least), most)
}
