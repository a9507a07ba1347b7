package web

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// noncePlaceholder stands in index.html where the nonce of one answer goes.
const noncePlaceholder = "__FIRN_NONCE__"

// handler serves a built page.
type handler struct {
	files fs.FS
	index []byte // nil: the page is not built
}

func newHandler(files fs.FS) http.Handler {
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		index = nil
	}
	return &handler{files: files, index: index}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "no such endpoint: "+r.URL.Path, http.StatusNotFound)
		return
	}
	secure(w.Header())
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	if name != "" && name != "index.html" && name != ".gitkeep" && h.serveFile(w, r, name) {
		return
	}
	if strings.HasPrefix(name, "assets/") || !wantsPage(r) {
		// A stale page asks for assets of an older build, an API client for an
		// endpoint that is not there: neither can use index.html.
		http.Error(w, "not found: "+r.URL.Path, http.StatusNotFound)
		return
	}
	h.servePage(w, r)
}

// serveFile serves one file of the build and reports whether there is one. A
// precompressed sibling is used when the client takes gzip.
func (h *handler) serveFile(w http.ResponseWriter, r *http.Request, name string) bool {
	if strings.HasSuffix(name, ".gz") {
		return false
	}
	head := w.Header()
	body, err := fs.ReadFile(h.files, name)
	if err != nil {
		return false
	}
	if packed, err := fs.ReadFile(h.files, name+".gz"); err == nil {
		head.Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			body = packed
			head.Set("Content-Encoding", "gzip")
		}
	}
	head.Set("Content-Type", contentType(name))
	if strings.HasPrefix(name, "assets/") {
		head.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		head.Set("Cache-Control", "no-cache")
	}
	write(w, r, http.StatusOK, body)
	return true
}

// servePage serves index.html with a fresh nonce: the editor and the dialogs
// add style elements of their own, and the nonce is what lets them.
func (h *handler) servePage(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Cache-Control", "no-store")
	if h.index == nil {
		head.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
		write(w, r, http.StatusOK, fallback)
		return
	}
	nonce := newNonce()
	head.Set("Content-Security-Policy", policy(nonce))
	write(w, r, http.StatusOK, bytes.ReplaceAll(h.index, []byte(noncePlaceholder), []byte(nonce)))
}

// policy is the content security policy of the page. Nothing comes from
// elsewhere, and what is not named is refused.
func policy(nonce string) string {
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self' 'nonce-" + nonce + "'",
		"img-src 'self' data:",
		"font-src 'self'",
		"connect-src 'self'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}

// secure sets the headers that every answer carries.
func secure(head http.Header) {
	head.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("X-Frame-Options", "DENY")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
}

func write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	// A client that went away is no fault of ours, and nobody can be told.
	_, _ = w.Write(body)
}

// wantsPage reports whether the client takes HTML, as browsers and curl do.
func wantsPage(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return accept == "" || strings.Contains(accept, "text/html") || strings.Contains(accept, "*/*")
}

// contentType does not ask the machine's mime tables for what we ship: they
// differ, and a script with a wrong type does not run under nosniff.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".png":
		return "image/png"
	case ".json", ".map":
		return "application/json"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

func newNonce() string {
	var raw [18]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand ends the process instead
	return base64.StdEncoding.EncodeToString(raw[:])
}
