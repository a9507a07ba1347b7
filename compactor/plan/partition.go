package plan

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Key identifies a partition of one spec. NULL and "null" differ.
func Key(specID int, values map[string]*string) string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(specID))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		b.WriteByte('/')
		b.WriteString(strconv.Quote(name))
		if v := values[name]; v != nil {
			b.WriteByte('=')
			b.WriteString(strconv.Quote(*v))
		}
	}
	return b.String()
}

// PartitionText is a partition for people: "country=France, day=NULL".
func PartitionText(values map[string]*string) string {
	if len(values) == 0 {
		return "(unpartitioned)"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		text := "NULL"
		if v := values[name]; v != nil {
			text = *v
		}
		parts = append(parts, name+"="+text)
	}
	return strings.Join(parts, ", ")
}

// Size is a number of bytes for people.
func Size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	v, i := float64(n), 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	if i == 0 || v >= 100 {
		return fmt.Sprintf("%.0f %s", v, units[i])
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
