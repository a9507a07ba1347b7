package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

const index = `<html><meta property="csp-nonce" nonce="__FIRN_NONCE__"><script src="/assets/index-abc.js" nonce="__FIRN_NONCE__"></script></html>`

func built() fstest.MapFS {
	return fstest.MapFS{
		".gitkeep":               {},
		"index.html":             {Data: []byte(index)},
		"theme.js":               {Data: []byte("theme")},
		"assets/index-abc.js":    {Data: []byte("plain")},
		"assets/index-abc.js.gz": {Data: []byte("packed")},
	}
}

func ask(t *testing.T, h http.Handler, method, path string, head map[string]string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for k, v := range head {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	answer := w.Result()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func TestEveryScreenIsThePage(t *testing.T) {
	h := newHandler(built())
	for _, path := range []string{"/", "/tables", "/tables/silver.invoice_lines", "/runs/0193?x=1", "/index.html", "/.gitkeep"} {
		answer, body := ask(t, h, http.MethodGet, path, map[string]string{"Accept": "text/html"})
		if answer.StatusCode != http.StatusOK || !strings.Contains(body, "/assets/index-abc.js") {
			t.Errorf("GET %s: %d %q, want the page", path, answer.StatusCode, body)
		}
		if got := answer.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("GET %s: Cache-Control %q: a nonce must not be kept", path, got)
		}
	}
}

func TestNonceIsFreshAndInThePolicy(t *testing.T) {
	h := newHandler(built())
	seen := map[string]bool{}
	for range 4 {
		answer, body := ask(t, h, http.MethodGet, "/", nil)
		nonces := regexp.MustCompile(`nonce="([^"]+)"`).FindAllStringSubmatch(body, -1)
		if len(nonces) != 2 || nonces[0][1] != nonces[1][1] || strings.Contains(body, noncePlaceholder) {
			t.Fatalf("nonces in the page: %q", nonces)
		}
		policy := answer.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "'nonce-"+nonces[0][1]+"'") {
			t.Errorf("policy %q does not name the page's nonce %q", policy, nonces[0][1])
		}
		if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "script-src 'self';") {
			t.Errorf("policy %q is not strict", policy)
		}
		if seen[nonces[0][1]] {
			t.Errorf("nonce %q came twice", nonces[0][1])
		}
		seen[nonces[0][1]] = true
	}
}

func TestAssets(t *testing.T) {
	h := newHandler(built())
	answer, body := ask(t, h, http.MethodGet, "/assets/index-abc.js", map[string]string{"Accept-Encoding": "br, gzip"})
	if body != "packed" || answer.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("with gzip: %q, encoding %q", body, answer.Header.Get("Content-Encoding"))
	}
	if got := answer.Header.Get("Content-Type"); got != "text/javascript; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	if got := answer.Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("Cache-Control %q of an asset with a hash", got)
	}
	if _, body := ask(t, h, http.MethodGet, "/assets/index-abc.js", nil); body != "plain" {
		t.Errorf("without gzip: %q", body)
	}
	if answer, _ := ask(t, h, http.MethodGet, "/theme.js", nil); answer.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("Cache-Control %q of a file without a hash", answer.Header.Get("Cache-Control"))
	}
	if _, body := ask(t, h, http.MethodHead, "/assets/index-abc.js", nil); body != "" {
		t.Errorf("HEAD answered a body: %q", body)
	}
}

func TestWhatIsNotThereIsNotThePage(t *testing.T) {
	h := newHandler(built())
	for _, c := range []struct{ method, path, accept string }{
		{http.MethodGet, "/assets/index-old.js", "*/*"},
		{http.MethodGet, "/assets/index-abc.js.gz", "*/*"},
		{http.MethodGet, "/assets/../../handler.go", "application/json"},
		{http.MethodGet, "/firn.v1.NoService/NoMethod", "application/json"},
		{http.MethodPost, "/firn.v1.NoService/NoMethod", "text/html"},
	} {
		answer, body := ask(t, h, c.method, c.path, map[string]string{"Accept": c.accept})
		if answer.StatusCode != http.StatusNotFound || strings.Contains(body, "<script") {
			t.Errorf("%s %s: %d %q, want 404", c.method, c.path, answer.StatusCode, body)
		}
	}
}

func TestWithoutABuildThePageSaysHow(t *testing.T) {
	answer, body := ask(t, newHandler(fstest.MapFS{".gitkeep": {}}), http.MethodGet, "/tables", nil)
	if answer.StatusCode != http.StatusOK || !strings.Contains(body, "make build") {
		t.Errorf("%d %q, want how to build the page", answer.StatusCode, body)
	}
	if got := answer.Header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("X-Content-Type-Options %q", got)
	}
}
