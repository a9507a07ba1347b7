package boltstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/boltstore"
)

const killEnv = "FIRN_TEST_BOLTSTORE_KILL"

func TestMain(m *testing.M) {
	if path := os.Getenv(killEnv); path != "" {
		killedWriter(path)
		return
	}
	os.Exit(m.Run())
}

// killedWriter is the child: four writers count up in pairs of keys and say on
// stdout what was acknowledged, until somebody kills it.
func killedWriter(path string) {
	s, err := boltstore.Open(boltstore.Config{Path: path})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	lines := make(chan string, 64)
	for w := range 4 {
		go func() {
			key := "n/" + strconv.Itoa(w)
			for {
				kv, err := s.Get(context.Background(), key)
				if err != nil && !errors.Is(err, catalog.ErrNotFound) {
					lines <- "error " + err.Error()
					return
				}
				n, _ := strconv.Atoi(string(kv.Value))
				v := []byte(strconv.Itoa(n + 1))
				rev, err := s.Apply(context.Background(), catalog.Batch{
					If:   []catalog.Cond{{Key: key, Version: kv.Version}},
					Then: []catalog.Op{{Key: key, Value: v}, {Key: key + "/twin", Value: v}, {Key: "log/", Value: []byte(key), Stamp: true}},
				})
				if err != nil {
					lines <- "error " + err.Error()
					return
				}
				lines <- fmt.Sprintf("%d %d %d", w, n+1, rev)
			}
		}()
	}
	for l := range lines {
		fmt.Println(l)
	}
}

// TestKill: after kill -9 at any moment, everything that was acknowledged is
// there, at most one more a writer, nothing torn, and revisions go on.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	var last catalog.Version
	unacknowledged := 0
	for round := range rounds {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), killEnv+"="+path)
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		acked := map[string]int{}
		sc := bufio.NewScanner(out)
		for n := 0; sc.Scan(); n++ {
			f := strings.Fields(sc.Text())
			require.Len(t, f, 3, sc.Text())
			require.NotEqual(t, "error", f[0], sc.Text())
			count, _ := strconv.Atoi(f[1])
			rev, _ := strconv.ParseUint(f[2], 10, 64)
			acked["n/"+f[0]] = max(acked["n/"+f[0]], count)
			last = max(last, catalog.Version(rev))
			if n == 5+round*7 {
				require.NoError(t, child.Process.Kill())
			}
		}
		_ = child.Wait() // it was killed
		s, err := boltstore.Open(boltstore.Config{Path: path})
		require.NoError(t, err)
		rev, logged, err := s.Scan(t.Context(), catalog.Range{Prefix: "log/"})
		require.NoError(t, err)
		require.GreaterOrEqual(t, rev, last, "no acknowledged revision is lost")
		last = rev
		total := 0
		for w := range 4 {
			key := "n/" + strconv.Itoa(w)
			kv, err := s.Get(t.Context(), key)
			if errors.Is(err, catalog.ErrNotFound) {
				require.Zero(t, acked[key])
				continue
			}
			require.NoError(t, err)
			twin, err := s.Get(t.Context(), key+"/twin")
			require.NoError(t, err)
			require.Equal(t, kv.Value, twin.Value, "a batch is there whole")
			require.Equal(t, kv.Version, twin.Version)
			n, _ := strconv.Atoi(string(kv.Value))
			require.GreaterOrEqual(t, n, acked[key])
			if n > acked[key] && acked[key] > 0 {
				unacknowledged++
			}
			total += n
		}
		require.Len(t, logged, total, "one log entry a batch")
		require.NoError(t, s.Close())
	}
	t.Logf("%d kills, %d writers ended committed and not acknowledged", rounds, unacknowledged)
}
