package lifecycle

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestReadyz(t *testing.T) {
	r := NewReadiness()
	bucketErr, storeErr := error(nil), error(nil)
	r.Advise("bucket", func(context.Context) error { return bucketErr })
	r.Add("store", func(context.Context) error { return storeErr })
	get := func(url string) (int, string) {
		w := httptest.NewRecorder()
		r.ServeReady(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, url, nil))
		return w.Code, w.Body.String()
	}
	expect := func(code int, verbose ...string) {
		t.Helper()
		if got, _ := get("/readyz"); got != code {
			t.Errorf("/readyz %d, want %d", got, code)
		}
		got, text := get("/readyz?verbose")
		if got != code {
			t.Errorf("/readyz?verbose %d, want %d", got, code)
		}
		for _, want := range verbose {
			if !strings.Contains(text, want) {
				t.Errorf("verbose lacks %q:\n%s", want, text)
			}
		}
	}
	expect(503, "[-] process: starting", "[+] bucket: ok")
	r.set(stateReady)
	expect(200, "[+] process: ready", "[+] store: ok")
	storeErr = errors.New("input/output error\nsecond line")
	expect(503, "[-] store: input/output error; second line", "[+] bucket: ok")
	storeErr, bucketErr = nil, errors.New("connection refused")
	expect(200, "[-] bucket: connection refused", "[+] store: ok")
	bucketErr = nil
	r.set(stateStopping)
	expect(503, "[-] process: stopping")

	w := httptest.NewRecorder()
	ServeLive(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/livez", nil))
	if w.Code != 200 {
		t.Errorf("/livez %d while stopping", w.Code)
	}
}

func TestAHangingCheckIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewReadiness()
		r.set(stateReady)
		r.Add("slow", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		began := time.Now()
		if _, err := r.Check(t.Context()); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "slow") {
			t.Error(err)
		}
		if took := time.Since(began); took != checkTimeout {
			t.Error(took)
		}
	})
}
