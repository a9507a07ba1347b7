package objstore_test

import (
	"os"
	"testing"

	"github.com/firnlake/firn/internal/objstore/objstoretest"
)

func TestMain(m *testing.M) { os.Exit(objstoretest.Main(m)) }
