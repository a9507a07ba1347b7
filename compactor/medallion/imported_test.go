package medallion_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
)

// Rows whose contributor is in the partition only, as imported files have it, are
// promoted like any others; with field ids in the files and with a name mapping.
func TestImportedFilesArePromoted(t *testing.T) {
	for _, ids := range []bool{true, false} {
		t.Run(fmt.Sprintf("field ids %t", ids), func(t *testing.T) {
			h, all := eventHouse(t, 120)
			raw := h.table("bronze.raw")
			require.Equal(t, 1, raw.Metadata.CurrentSchema().Fields()[0].ID)
			part := raw.Metadata.PartitionSpec()
			require.Equal(t, 1, part.Field(0).SourceID(), "by who")
			var fields, mapping []string
			for _, f := range raw.Metadata.CurrentSchema().Fields() {
				if f.Name != "who" {
					fields = append(fields, fmt.Sprintf("%s: %d", f.Name, f.ID))
				}
				mapping = append(mapping, fmt.Sprintf(`{"field-id": %d, "names": [%q]}`, f.ID, f.Name))
			}
			options := ", FIELD_IDS {" + strings.Join(fields, ", ") + "}"
			if !ids {
				options = ""
				_, err := h.Catalog.Commit(t.Context(), catalog.Transaction{ID: uuid.NewString(), Actor: "test", Tables: []catalog.TableChange{{
					Table: raw.ID, Updates: []table.Update{table.NewSetPropertiesUpdate(iceberg.Properties{table.DefaultNameMappingKey: "[" + strings.Join(mapping, ", ") + "]"})},
				}}})
				require.NoError(t, err)
			}
			r := rand.New(rand.NewPCG(3, 3))
			for i := range 3 {
				rows := values(all[i*40:i*40+40], i*40)
				for _, k := range r.Perm(3) {
					who := fmt.Sprintf("w%d", k)
					file := h.Import(raw, fmt.Sprintf("SELECT * EXCLUDE (who) FROM (%s) WHERE who = '%s'", rows, who), options, map[int]any{part.Field(0).FieldID: who})
					h.Commit(raw, table.OpAppend, file)
				}
				_, err := h.service.RunOnce(t.Context(), nil)
				require.NoError(t, err)
			}
			h.checkEvents(all)
			h.equal("gold.who", "SELECT * FROM $gold.who$", "SELECT who, count(*), max(n) FROM ("+values(all, 0)+") GROUP BY who", "gold.who")
		})
	}
}
