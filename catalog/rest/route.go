package rest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/firnlake/firn/catalog"
)

// Body caps. Commits carry whole snapshots and schemas, everything else is small.
const (
	smallBody  = 1 << 20
	commitBody = 16 << 20
)

// route is one operation of the protocol. The table of routes is what is served
// and what the config answer declares: there is no second list.
type route struct {
	method string
	path   string // as the specification writes it
	body   int64  // cap on the request body
	// key says that the specification gives the operation an Idempotency-Key.
	key   bool
	serve handler
}

func (r route) String() string { return r.method + " " + r.path }

// declared reports whether the config answer lists the route: all but config
// itself, which a client has to know already.
func (r route) declared() bool { return strings.HasPrefix(r.path, prefixed) }

const prefixed = "/v1/{prefix}/"

// routes answers the whole surface.
func routes() []route {
	const (
		ns     = "/v1/{prefix}/namespaces"
		one    = ns + "/{namespace}"
		tables = one + "/tables"
		tbl    = tables + "/{table}"
		views  = one + "/views"
		view   = views + "/{view}"
	)
	return []route{
		{method: http.MethodGet, path: "/v1/config", serve: (*Server).config},

		{method: http.MethodGet, path: ns, serve: (*Server).listNamespaces},
		{method: http.MethodPost, path: ns, body: smallBody, key: true, serve: (*Server).createNamespace},
		{method: http.MethodGet, path: one, serve: (*Server).loadNamespace},
		{method: http.MethodHead, path: one, serve: (*Server).namespaceExists},
		{method: http.MethodDelete, path: one, key: true, serve: (*Server).dropNamespace},
		{method: http.MethodPost, path: one + "/properties", body: smallBody, key: true, serve: (*Server).updateNamespace},

		{method: http.MethodGet, path: tables, serve: list((*catalog.Catalog).ListTables)},
		{method: http.MethodPost, path: tables, body: smallBody, key: true, serve: (*Server).createTable},
		{method: http.MethodPost, path: one + "/register", body: smallBody, key: true, serve: (*Server).registerTable},
		{method: http.MethodGet, path: tbl, serve: (*Server).loadTable},
		{method: http.MethodHead, path: tbl, serve: exists((*catalog.Catalog).TableExists, catalog.ErrNoSuchTable)},
		{method: http.MethodPost, path: tbl, body: commitBody, key: true, serve: (*Server).commitTable},
		{method: http.MethodDelete, path: tbl, key: true, serve: (*Server).dropTable},
		{method: http.MethodGet, path: tbl + "/credentials", serve: (*Server).loadCredentials},
		{method: http.MethodPost, path: tbl + "/metrics", body: smallBody, serve: (*Server).reportMetrics},
		{method: http.MethodPost, path: "/v1/{prefix}/tables/rename", body: smallBody, key: true, serve: rename((*catalog.Catalog).RenameTable)},
		{method: http.MethodPost, path: "/v1/{prefix}/transactions/commit", body: commitBody, key: true, serve: (*Server).commitTransaction},

		{method: http.MethodGet, path: views, serve: list((*catalog.Catalog).ListViews)},
		{method: http.MethodPost, path: views, body: smallBody, key: true, serve: (*Server).createView},
		{method: http.MethodGet, path: view, serve: (*Server).loadView},
		{method: http.MethodHead, path: view, serve: exists((*catalog.Catalog).ViewExists, catalog.ErrNoSuchView)},
		{method: http.MethodPost, path: view, body: smallBody, key: true, serve: (*Server).replaceView},
		{method: http.MethodDelete, path: view, key: true, serve: (*Server).dropView},
		{method: http.MethodPost, path: one + "/register-view", body: smallBody, key: true, serve: (*Server).registerView},
		{method: http.MethodPost, path: "/v1/{prefix}/views/rename", body: smallBody, key: true, serve: rename((*catalog.Catalog).RenameView)},
	}
}

// router finds the route of a request. It works on the escaped path, so that an
// escaped slash in a name stays part of the name; http.ServeMux would redirect
// names that look like dots.
type router struct {
	warehouse string
	byLength  map[int][]compiled
}

type compiled struct {
	route
	segments []string // below the prefix; a variable is "{name}"
}

// roots are the first words of paths below the prefix, which a client may leave
// out: one warehouse is served.
var roots = []string{"namespaces", "tables", "views", "transactions"}

func newRouter(warehouse string, all []route) *router {
	r := &router{warehouse: warehouse, byLength: map[int][]compiled{}}
	for _, rt := range all {
		path := strings.TrimPrefix(strings.Replace(rt.path, prefixed, "/v1/", 1), "/v1/")
		segments := strings.Split(path, "/")
		r.byLength[len(segments)] = append(r.byLength[len(segments)], compiled{rt, segments})
	}
	return r
}

// find answers the route and its variables, or the error of a path or a method
// that is not served.
func (r *router) find(method string, u *url.URL) (route, map[string]string, error) {
	rest, ok := strings.CutPrefix(u.EscapedPath(), "/v1/")
	if !ok {
		return route{}, nil, errNoRoute
	}
	segments := strings.Split(rest, "/")
	if !isRoot(segments[0]) && len(segments) > 1 && isRoot(segments[1]) {
		prefix, err := url.PathUnescape(segments[0])
		if err != nil || prefix != r.warehouse {
			return route{}, nil, errNoWarehouse
		}
		segments = segments[1:]
	}
	var allow []string
	for _, c := range r.byLength[len(segments)] {
		if !c.matches(segments) {
			continue
		}
		if c.method != method {
			allow = append(allow, c.method)
			continue
		}
		vars, err := c.variables(segments)
		return c.route, vars, err
	}
	if len(allow) > 0 {
		return route{}, nil, &methodError{allow}
	}
	return route{}, nil, errNoRoute
}

func isRoot(segment string) bool { return slices.Contains(roots, segment) }

func (c compiled) matches(segments []string) bool {
	for i, s := range c.segments {
		if s[0] != '{' && s != segments[i] {
			return false
		}
	}
	return true
}

// variables decodes the names in a path. The reference client encodes names as
// forms do, a space as a plus sign, so that is how they are read; a plus sign in
// a name arrives as %2B.
func (c compiled) variables(segments []string) (map[string]string, error) {
	vars := make(map[string]string, 2)
	for i, s := range c.segments {
		if s[0] != '{' {
			continue
		}
		v, err := url.QueryUnescape(segments[i])
		if err != nil {
			return nil, badRequest("path segment %q is not percent-encoded text", segments[i])
		}
		vars[strings.Trim(s, "{}")] = v
	}
	return vars, nil
}
