package rest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDecode(t *testing.T) {
	for _, good := range []string{
		`{"a": 1, "b": {"a": 1}, "c": [{"a": 1}, {"a": 2}], "d": "a", "e": ["a", "a"]}`,
		`{"a": "x", "new-field-of-a-newer-client": {"deep": [1, 2]}}`,
		` {"a": {}} `,
	} {
		var v map[string]any
		assert.NoError(t, decode([]byte(good), &v), good)
	}
	for bad, want := range map[string]string{
		"":                                  "no body",
		"  ":                                "no body",
		`{"a": 1`:                           "not JSON",
		`{"a": 1, "a": 2}`:                  `"a" stands twice`,
		`{"x": [{"a": 1, "b": 1, "a": 2}]}`: `"a" stands twice`,
		`{"a": {"b": 1}, "a": {}}`:          `"a" stands twice`,
		`{"\u0061": 1, "a": 2}`:             `"a" stands twice`,
		`{"a": 1} {"b": 2}`:                 "more than one",
		`{"a": 1} x`:                        "",
		"{\"a\": \"\xff\"}":                 "UTF-8",
		strings.Repeat("[", 1000):           "nested deeper",
		`[1]`:                               "does not fit",
	} {
		var v map[string]any
		err := decode([]byte(bad), &v)
		var request *requestError
		if assert.ErrorAs(t, err, &request, bad) {
			assert.Contains(t, err.Error(), want)
		}
	}
}

func TestReadBodyHoldsItsCap(t *testing.T) {
	for _, declared := range []int64{-1, 4096} {
		r := httptest.NewRequest(http.MethodPost, "/", io.LimitReader(zeros{}, 4096))
		r.ContentLength = declared
		_, err := readBody(httptest.NewRecorder(), r, 1024)
		var large *tooLargeError
		assert.ErrorAs(t, err, &large)
	}
	data, err := readBody(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")), 1024)
	require.NoError(t, err)
	assert.Equal(t, "{}", string(data))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestPage(t *testing.T) {
	all := []string{"a", "b", "c", "d", "e"}
	self := func(s string) string { return s }
	got, next, err := page(url.Values{}, all, self)
	require.NoError(t, err)
	assert.Equal(t, all, got, "without a token everything is answered")
	assert.Empty(t, next)

	got, next, err = page(url.Values{"pageSize": {"2"}}, all, self)
	require.NoError(t, err)
	assert.Equal(t, all, got)
	assert.Empty(t, next)

	var seen []string
	token := ""
	for range 3 {
		got, token, err = page(url.Values{"pageToken": {token}, "pageSize": {"2"}}, all, self)
		require.NoError(t, err)
		seen = append(seen, got...)
	}
	assert.Equal(t, all, seen)
	assert.Empty(t, token)

	// What was dropped between two pages shifts nothing.
	_, token, err = page(url.Values{"pageToken": {""}, "pageSize": {"2"}}, all, self)
	require.NoError(t, err)
	got, _, err = page(url.Values{"pageToken": {token}}, []string{"c", "d", "e"}, self)
	require.NoError(t, err)
	assert.Equal(t, []string{"c", "d", "e"}, got)

	for _, bad := range []url.Values{
		{"pageToken": {"%%%"}}, {"pageToken": {""}, "pageSize": {"0"}}, {"pageToken": {""}, "pageSize": {"-1"}}, {"pageToken": {""}, "pageSize": {"many"}},
	} {
		_, _, err := page(bad, all, self)
		assert.Error(t, err, "%v", bad)
	}
}
