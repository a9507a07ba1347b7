package schedule

import "time"

// Due are the due times from one moment to another, both included; none when the
// definition cannot be read.
func (d *Definition) Due(from, until time.Time) []time.Time {
	tt, err := d.compile()
	if err != nil {
		return nil
	}
	var out []time.Time
	for at := tt.next(from.Add(-time.Nanosecond)); !at.IsZero() && !at.After(until); at = tt.next(at) {
		out = append(out, at)
	}
	return out
}
