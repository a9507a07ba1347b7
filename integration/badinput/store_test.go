package badinput

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/firnlake/firn/integration/harness"
)

// remote is a Firn over MinIO behind a proxy.
func remote(t *testing.T) (*server, *proxy) {
	t.Helper()
	m := harness.StartMinIO(t)
	p := startProxy(t, m.Endpoint)
	m.Endpoint = p.address
	return start(t, m.Flags("lake")...), p
}

// feeder sends rows 0, 1, 2, ... one a batch through a channel, as a client
// would: what is not acknowledged is sent again, with the same offset.
type feeder struct {
	s           *server
	epoch       string
	next, acked int
	refusals    map[string]int
}

func openFeeder(t *testing.T, s *server) *feeder {
	t.Helper()
	a := s.must(t, "IngestService/OpenChannel", `{"table":{"namespace":["bronze"],"name":"t"},"channel":"feeder"}`)
	var epoch int
	if _, err := fmt.Sscanf(a.body, `{"epoch":"%d"`, &epoch); err != nil {
		t.Fatalf("%s: %v", a, err)
	}
	return &feeder{s: s, epoch: fmt.Sprint(epoch), refusals: map[string]int{}}
}

// send sends the next row once and reports whether it was acknowledged.
func (f *feeder) send(t *testing.T) (answer, bool) {
	t.Helper()
	a := f.s.append(t, fmt.Sprintf(`{"id":%d,"name":"fed"}`, f.next), fmt.Sprintf(`,"channel":"feeder","epoch":"%s","offset":"%d"`, f.epoch, f.next))
	if a.status == http.StatusOK || a.status == http.StatusConflict && a.Code == "already_exists" {
		f.next++
		f.acked = f.next
		return a, true
	}
	f.refusals[a.text()]++
	return a, false
}

// check compares the table with what was acknowledged: every row once.
func (f *feeder) check(t *testing.T) {
	t.Helper()
	if n := f.s.number(t, "SELECT count(*) AS n FROM bronze.t WHERE name = 'fed'"); n != f.acked {
		t.Errorf("%d rows in the table, %d were acknowledged", n, f.acked)
	}
	if n := f.s.number(t, "SELECT count(DISTINCT id) AS n FROM bronze.t WHERE name = 'fed'"); n != f.acked {
		t.Errorf("%d different rows in the table, %d were acknowledged", n, f.acked)
	}
	if n := f.s.number(t, "SELECT coalesce(max(id), -1) + 1 AS n FROM bronze.t WHERE name = 'fed'"); n != f.acked {
		t.Errorf("rows up to %d in the table, %d were acknowledged", n, f.acked)
	}
}

func TestBucketThatGoesAway(t *testing.T) {
	s, p := remote(t)
	f := openFeeder(t, s)
	for range 5 {
		if a, ok := f.send(t); !ok {
			t.Fatal(a)
		}
	}
	p.close()
	begin := time.Now()
	a, ok := f.send(t)
	if ok {
		t.Fatalf("acknowledged without a store: %s", a)
	}
	t.Logf("answer after %s", time.Since(begin).Round(time.Millisecond))
	refused(t, a, http.StatusServiceUnavailable, "object store", "send the same rows again", "offset", "firn doctor")
	if a.Code != "unavailable" {
		t.Errorf("code %q", a.Code)
	}
	select {
	case <-s.Ended():
		t.Fatalf("the process ended\n%s", s.Tail())
	default:
	}
	refused(t, s.call(t, "CatalogService/CreateTable", `{"table":{"namespace":["bronze"],"name":"new"},"columns":[{"name":"a","type":"long"}]}`), http.StatusServiceUnavailable, "object store", "nothing was changed", "firn doctor")
	p.listen()
	for range 5 {
		for tries := 0; ; tries++ {
			a, ok := f.send(t)
			if ok {
				break
			}
			if tries == 20 {
				t.Fatalf("the store is back, appends are not: %s", a)
			}
		}
	}
	s.lives(t)
	f.check(t)
}

// TestCutConnections: the failure rows of every write to the bucket, as the
// network makes them.
func TestCutConnections(t *testing.T) {
	s, p := remote(t)
	f := openFeeder(t, s)
	for name, how := range map[string]int32{"before the store saw it": cutBefore, "after the store did it": cutAfter} {
		t.Run(name, func(t *testing.T) {
			seen := p.count.Load()
			for range 3 {
				p.cut.Store(how)
				a, ok := f.send(t)
				p.cut.Store(pass)
				if ok {
					continue // the writer tried again by itself
				}
				if a.status != http.StatusServiceUnavailable {
					t.Fatalf("%s", a)
				}
				for tries := 0; ; tries++ {
					if _, ok := f.send(t); ok {
						break
					}
					if tries == 20 {
						t.Fatalf("appends do not go on: %v", f.refusals)
					}
				}
			}
			if p.count.Load() == seen {
				t.Error("no connection was cut")
			}
			t.Logf("%d connections cut, answers %v", p.count.Load()-seen, f.refusals)
			f.check(t)
		})
	}
	s.lives(t)
}
