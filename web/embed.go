// Package web serves the page of Firn: a TypeScript application built into
// dist/ and compiled into the binary.
//
// It promises three things. A plain `go build` needs no Node: without a built
// page the handler answers with a page that says how to build it. Every answer
// carries a content security policy under which no script runs but the page's
// own. Assets with a hash in their name may be cached for ever; index.html never.
package web

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed all:dist
var dist embed.FS

//go:embed fallback.html
var fallback []byte

// Handler serves the page: files of dist/ by name, and index.html for every
// other path, since the page routes by path. It answers GET and HEAD only. It
// is safe for concurrent use and holds nothing that must be closed.
//
// It is meant to be mounted at "/", below the more specific API routes.
func Handler() http.Handler {
	built, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // "dist" is a constant, valid path
	}
	return newHandler(built)
}
