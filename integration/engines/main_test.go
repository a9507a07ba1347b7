package engines_test

import (
	"flag"
	"os"
	"testing"

	"github.com/firnlake/firn/integration/engines"
)

var record = flag.Bool("record", false, "write what this run found to docs/compatibility")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(engines.Main(m, *record))
}
