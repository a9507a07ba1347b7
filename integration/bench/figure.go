package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/firnlake/firn/integration/bench/report"
)

// spec is what is measured, in which unit, beside whom, and what is asked of
// it.
type spec struct {
	group string
	name  string
	unit  string
	peer  string // named, or empty
	bar   bar
}

// bar is a demand of DESIGN.md, section 11; the zero value demands nothing.
type bar struct {
	text string
	met  func(value, ratio float64) bool
}

func atLeast(n float64, unit string) bar {
	return bar{"at least " + number(n) + " " + unit, func(v, _ float64) bool { return v >= n }}
}

func below(n float64, unit string) bar {
	return bar{"under " + number(n) + " " + unit, func(v, _ float64) bool { return v < n }}
}

func ratioAtLeast(n float64) bar {
	return bar{fmt.Sprintf("at least %.2f of the peer", n), func(_, r float64) bool { return r >= n }}
}

func ratioAtMost(n float64) bar {
	return bar{fmt.Sprintf("at most %.2f of the peer", n), func(_, r float64) bool { return r <= n }}
}

// Figure is one line of the result: medians over the runs. Ratio is the median
// of the runs' own ratios of value to peer.
type Figure struct {
	Group     string    `json:"group"`
	Name      string    `json:"name"`
	Unit      string    `json:"unit"`
	Value     float64   `json:"value"`
	Runs      []float64 `json:"runs"`
	Peer      string    `json:"peer,omitempty"`
	PeerValue float64   `json:"peer_value,omitempty"`
	PeerRuns  []float64 `json:"peer_runs,omitempty"`
	Ratio     float64   `json:"ratio,omitempty"`
	Bar       string    `json:"bar,omitempty"`
	Met       *bool     `json:"met,omitempty"`

	spec   spec
	ratios []float64
}

// record adds one run of a figure. peer is ignored when the spec names none.
func (b *bench) record(s spec, value, peer float64) {
	at := slices.IndexFunc(b.figures, func(f *Figure) bool {
		return f.Group == s.group && f.Name == s.name && f.Peer == s.peer
	})
	if at < 0 {
		at = len(b.figures)
		b.figures = append(b.figures, &Figure{Group: s.group, Name: s.name, Unit: s.unit, Peer: s.peer, Bar: s.bar.text, spec: s})
	}
	f := b.figures[at]
	f.Runs = append(f.Runs, report.Round(value))
	f.Value = report.Median(f.Runs)
	if s.peer != "" {
		f.PeerRuns = append(f.PeerRuns, report.Round(peer))
		f.PeerValue = report.Median(f.PeerRuns)
		f.ratios = append(f.ratios, value/peer)
		f.Ratio = report.Round(report.Median(f.ratios))
	}
	if s.bar.met != nil {
		met := s.bar.met(f.Value, f.Ratio)
		f.Met = &met
	}
	fmt.Fprintf(b.progress, "  %s, %s: %s %s", s.group, s.name, number(value), s.unit)
	if s.peer != "" {
		fmt.Fprintf(b.progress, " (%s: %s, ratio %.3g)", s.peer, number(peer), value/peer)
	}
	fmt.Fprintln(b.progress)
}

// number writes v with three digits or whole, thousands apart.
func number(v float64) string {
	if math.Abs(v) < 100 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	digits := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	var out strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			out.WriteByte(',')
		}
		out.WriteRune(c)
	}
	return out.String()
}

// render prints the figures as a table.
func render(out io.Writer, figures []*Figure) {
	t := report.NewTable(table.Row{"figure", "median", "unit", "peer, in the same run", "peer", "ratio", "bar", ""}, 1, 3, 4, 7, 8)
	for _, f := range figures {
		row := table.Row{f.Group + ": " + f.Name, number(f.Value), f.Unit, f.Peer, "", "", f.Bar, ""}
		if f.Peer != "" {
			row[4], row[5] = number(f.PeerValue), strconv.FormatFloat(f.Ratio, 'g', 3, 64)
		}
		if f.Met != nil {
			row[7] = report.Verdict(*f.Met)
		}
		t.AppendRow(row)
	}
	report.PrintTable(out, t)
}
