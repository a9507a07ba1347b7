package engines_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// TestTrinoTogether has sessions of Trino write one table at once: every append
// arrives once, and what loses against another's change says so.
func TestTrinoTogether(t *testing.T) {
	engines.Suite(t)
	trino := trinoOn(t, "k")
	for _, format := range []int{2, 3} {
		path := []string{"k", fmt.Sprintf("t_v%d", format)}
		table := trino.Table(path...)
		trino.Exec(t, "CREATE TABLE "+table+" (id BIGINT, n BIGINT)"+with(format, ""))
		together := func(n int, statement func(i int) string) []error {
			failed := make([]error, n)
			var all sync.WaitGroup
			for i := range n {
				all.Go(func() { failed[i] = trino.TryExec(t.Context(), statement(i)) })
			}
			all.Wait()
			return failed
		}
		trino.Check(t, engines.Conflicts, format, func(t *testing.T) {
			want := map[string]bool{}
			for i, err := range together(6, func(i int) string {
				return fmt.Sprintf("INSERT INTO %s VALUES (%d, %d)", table, i, i)
			}) {
				// Six at once may exceed Trino's four retries, and then nothing is written.
				if err == nil {
					want[fmt.Sprintf("%d | %d", i, i)] = true
				} else {
					assert.ErrorContains(t, err, "ICEBERG_COMMIT_ERROR")
				}
			}
			assert.NotEmpty(t, want)
			got := agree(t, trino, path...).Lines()
			assert.Len(t, got, len(want))
			for _, row := range got {
				assert.True(t, want[row], row)
			}
			// Updates of the same row: each that succeeds is counted, no other is.
			trino.Exec(t, "TRUNCATE TABLE "+table, "INSERT INTO "+table+" VALUES (1, 0)")
			won := 0
			for _, err := range together(4, func(int) string { return "UPDATE " + table + " SET n = n + 1 WHERE id = 1" }) {
				if err == nil {
					won++
				} else {
					assert.ErrorContains(t, err, "ICEBERG_COMMIT_ERROR")
				}
			}
			assert.NotZero(t, won)
			holds(t, trino, path, fmt.Sprintf("1 | %d", won))
		})
	}
}
