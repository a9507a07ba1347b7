package demo

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
)

// account is what the lake must hold in the end, worked out here from the
// source file alone: no SQL and nothing of Firn's promotion.
type account struct {
	rows        int64
	distinct    int64
	superseded  int64
	silver      int64
	quarantined map[string]int64
	warned      int64
	customers   int64
	// netMilli is the sum of quantity * unit_price over silver, in 1/1000 GBP.
	netMilli int64
	days     int64
}

// reckon groups exact repetitions, applies the rules of silver.invoice_lines
// to what is left, and sums.
func reckon(d *dataset) (account, error) {
	a := account{rows: d.rows, quarantined: map[string]int64{}}
	invoice, ok1 := d.table.Column(0).(*array.String)
	quantity, ok2 := d.table.Column(3).(*array.Int64)
	price, ok3 := d.table.Column(5).(*array.Float64)
	customer, ok4 := d.table.Column(6).(*array.Float64)
	invoiced, ok5 := d.table.Column(4).(*array.Timestamp)
	country, ok6 := d.table.Column(7).(*array.String)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 {
		return a, fmt.Errorf("the source data has other column types than Online Retail: %s", d.table.Schema())
	}
	seen := make(map[string]struct{}, d.rows)
	customers := map[int64]struct{}{}
	days := map[string]struct{}{}
	var key strings.Builder
	for row := range int(d.rows) {
		violated := false
		for _, rule := range []struct {
			name string
			ok   bool
		}{
			{"price_positive", price.IsValid(row) && price.Value(row) > 0},
			{"not_an_adjustment", invoice.IsValid(row) && !strings.HasPrefix(invoice.Value(row), "A")},
			{"quantity_nonzero", quantity.IsValid(row) && quantity.Value(row) != 0},
		} {
			if !rule.ok {
				a.quarantined[rule.name]++
				violated = true
			}
		}
		if violated {
			continue
		}
		key.Reset()
		for i := range d.table.NumCols() {
			column := d.table.Column(int(i))
			if column.IsNull(row) {
				key.WriteString("\x00N")
				continue
			}
			text := column.ValueStr(row)
			key.WriteString(strconv.Itoa(len(text)))
			key.WriteByte(':')
			key.WriteString(text)
		}
		if _, repeated := seen[key.String()]; repeated {
			a.superseded++
			continue
		}
		seen[key.String()] = struct{}{}
		a.netMilli += quantity.Value(row) * int64(math.Round(price.Value(row)*1000))
		if customer.IsValid(row) {
			customers[int64(customer.Value(row))] = struct{}{}
		} else {
			a.warned++
		}
		unit := invoiced.ValueStr(row)
		days[unit[:10]+"|"+country.Value(row)] = struct{}{}
	}
	a.distinct = int64(len(seen))
	a.silver = a.distinct
	a.customers = int64(len(customers))
	a.days = int64(len(days))
	return a, nil
}

// milli writes 1/1000 GBP as a decimal with three places.
func milli(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%03d", sign, n/1000, n%1000)
}
