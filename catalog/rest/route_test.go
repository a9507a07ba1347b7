package rest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func parse(t *testing.T, path string) *url.URL {
	t.Helper()
	u, err := url.Parse("http://host" + path)
	require.NoError(t, err)
	return u
}

// Every route is found under its own path, with and without the prefix: what is
// declared is served.
func TestEveryDeclaredEndpointIsServed(t *testing.T) {
	r := newRouter("default", routes())
	declared := Endpoints()
	assert.Len(t, declared, len(routes())-1, "all but config")
	for _, endpoint := range declared {
		method, path, ok := strings.Cut(endpoint, " ")
		require.True(t, ok)
		filled := strings.NewReplacer("{namespace}", "a%1Fb", "{table}", "t", "{view}", "v").Replace(path)
		for _, prefix := range []string{"/v1/default/", "/v1/"} {
			rt, vars, err := r.find(method, parse(t, strings.Replace(filled, "/v1/{prefix}/", prefix, 1)))
			require.NoError(t, err, endpoint)
			assert.Equal(t, endpoint, rt.String())
			assert.Equal(t, strings.Count(path, "{")-1, len(vars), endpoint)
			if strings.Contains(path, "{namespace}") {
				assert.Equal(t, "a\x1fb", vars["namespace"])
			}
		}
	}
}

// Every mutation takes a body cap or none, and every POST and DELETE apart from
// metrics reports takes an Idempotency-Key.
func TestMutationsTakeKeys(t *testing.T) {
	for _, r := range routes() {
		mutates := r.method != http.MethodGet && r.method != http.MethodHead && !strings.HasSuffix(r.path, "/metrics")
		assert.Equal(t, mutates, r.key, r.String())
		assert.Equal(t, r.method == http.MethodPost, r.body > 0, r.String())
	}
}

func TestFindRefuses(t *testing.T) {
	r := newRouter("default", routes())
	for path, want := range map[string]error{
		"/v1/other/namespaces":                     errNoWarehouse,
		"/v1/default/namespaces/a/tables/t/plan":   errNoRoute,
		"/v1/default/namespaces/a/tables/t/":       errNoRoute,
		"/v1/default":                              errNoRoute,
		"/v1/":                                     errNoRoute,
		"/v2/config":                               errNoRoute,
		"/v1/namespaces/a/tables/t/../../../admin": errNoRoute,
		"/v1/default%2Fnamespaces":                 errNoRoute,
	} {
		_, _, err := r.find(http.MethodGet, parse(t, path))
		assert.ErrorIs(t, err, want, path)
	}
	_, _, err := r.find(http.MethodPut, parse(t, "/v1/namespaces/a/tables/t"))
	var method *methodError
	require.ErrorAs(t, err, &method)
	assert.ElementsMatch(t, []string{"GET", "HEAD", "POST", "DELETE"}, method.allow)
}

func TestNamesInPaths(t *testing.T) {
	r := newRouter("default", routes())
	for escaped, want := range map[string]string{
		"a%2Fb":        "a/b",
		"a+b":          "a b",
		"a%20b":        "a b",
		"a%2Bb":        "a+b",
		"%C3%BC":       "ü",
		"%2e%2e":       "..",
		"a%25b":        "a%b",
		"namespaces":   "namespaces",
		"%22%27%60%3B": "\"'`;",
	} {
		_, vars, err := r.find(http.MethodGet, parse(t, "/v1/default/namespaces/ns/tables/"+escaped))
		require.NoError(t, err, escaped)
		assert.Equal(t, want, vars["table"])
	}
}
