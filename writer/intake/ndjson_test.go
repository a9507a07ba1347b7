package intake_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/firnlake/firn/internal/parquet"
	"github.com/firnlake/firn/writer/intake"
)

var oneList = arrow.NewSchema([]arrow.Field{{Name: "l", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64), Nullable: true}}, nil)

func list(n int) string { return `{"l":[` + strings.TrimSuffix(strings.Repeat("0,", n), ",") + `]}` }

func TestValuesOfARow(t *testing.T) {
	// The row, the list and its values.
	for n, want := range map[int]int64{98: 1, 99: 0} {
		rows, err := intake.DecodeNDJSON(list(n), oneList, nil, false, intake.Limits{Values: 100})
		if err != nil || rows.Good != want {
			t.Fatalf("%d values: %v, %v", n, rows, err)
		}
		if want == 0 && !strings.Contains(rows.Faults[0].Message, "more than 100 values; send such rows as Arrow") {
			t.Error(rows.Faults)
		}
		rows.Release()
	}
}

func TestFaultsAreFew(t *testing.T) {
	var row strings.Builder
	row.WriteString(`{"l":null`)
	for i := range 1000 {
		fmt.Fprintf(&row, `,"k%d":0`, i)
	}
	row.WriteString("}\n")
	for _, keep := range []bool{false, true} {
		rows, err := intake.DecodeNDJSON(strings.Repeat(row.String(), 100), oneList, nil, keep, intake.Limits{})
		if err != nil || rows.Bad != 100 || len(rows.Faults) != parquet.MaxFaults {
			t.Fatalf("%d faulty rows, %d faults, %v", rows.Bad, len(rows.Faults), err)
		}
		if kept := len(rows.BadLines); kept != map[bool]int{true: 100}[keep] {
			t.Errorf("%d rows kept", kept)
		}
		for _, line := range rows.BadLines {
			if len(line.Reasons) != parquet.MaxFaults {
				t.Fatalf("%d reasons", len(line.Reasons))
			}
		}
	}
}

// TestTake: memory for rows is asked for before it is there, whatever takes it,
// and what the answer is ends the decoding.
func TestTake(t *testing.T) {
	var zeros bytes.Buffer
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.Append(string(make([]byte, 4<<20)))
	batch := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "s", Type: arrow.BinaryTypes.String}}, nil), []arrow.Array{b.NewArray()}, 1)
	w := ipc.NewWriter(&zeros, ipc.WithSchema(batch.Schema()), ipc.WithZstd())
	if err := errors.Join(w.Write(batch), w.Close()); err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	for name, decode := range map[string]func(intake.Limits) error{
		"arrow": func(l intake.Limits) error { _, err := intake.DecodeArrow(zeros.Bytes(), l); return err },
		"json": func(l intake.Limits) error {
			_, err := intake.DecodeNDJSON(strings.Repeat(list(1000)+"\n", 500), oneList, nil, false, l)
			return err
		},
		"faulty json": func(l intake.Limits) error {
			_, err := intake.DecodeNDJSON(strings.Repeat("x\n", 20_000), oneList, nil, true, l)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var asked int64
			take := func(most int64) func(int64) error {
				asked = 0
				return func(n int64) error {
					if asked += n; asked > most {
						return full
					}
					return nil
				}
			}
			if err := decode(intake.Limits{Take: take(64 << 20)}); err != nil || asked < 3<<20 {
				t.Errorf("%d bytes asked for: %v", asked, err)
			}
			if err := decode(intake.Limits{Take: take(1 << 20)}); !errors.Is(err, full) {
				t.Errorf("refused: %v", err)
			}
			if err := decode(intake.Limits{Memory: 1 << 20}); err == nil || !strings.Contains(err.Error(), "send smaller batches") {
				t.Errorf("beyond the limit: %v", err)
			}
		})
	}
}
