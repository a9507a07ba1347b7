package rest

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/firnlake/firn/catalog"
)

var errBothWays = errors.New("a property is both set and removed")

type namespaceBody struct {
	Namespace  []string          `json:"namespace"`
	Properties map[string]string `json:"properties"`
}

func (s *Server) listNamespaces(w http.ResponseWriter, r *request) error {
	q := r.URL.Query()
	var parent catalog.Namespace
	if text := q.Get("parent"); text != "" {
		var err error
		if parent, err = splitNamespace(text); err != nil {
			return err
		}
		if _, err := s.cat.LoadNamespace(r.Context(), parent); err != nil {
			return err
		}
	}
	all, err := s.cat.ListNamespaces(r.Context(), parent)
	if err != nil {
		return err
	}
	key := func(ns catalog.Namespace) string { return strings.Join(ns, separator) }
	slices.SortFunc(all, func(a, b catalog.Namespace) int { return strings.Compare(key(a), key(b)) })
	list, next, err := page(q, all, key)
	if err != nil {
		return err
	}
	if list == nil {
		list = []catalog.Namespace{}
	}
	return writeJSON(w, r.Request, struct {
		Namespaces []catalog.Namespace `json:"namespaces"`
		Next       *string             `json:"next-page-token"`
	}{list, pageToken(next)})
}

// pageToken is null for the last page.
func pageToken(next string) *string {
	if next == "" {
		return nil
	}
	return &next
}

func (s *Server) createNamespace(w http.ResponseWriter, r *request) error {
	var body namespaceBody
	if err := decode(r.body, &body); err != nil {
		return err
	}
	ns := catalog.Namespace(body.Namespace)
	if err := ns.Validate(); err != nil {
		return err
	}
	if body.Properties == nil {
		body.Properties = map[string]string{}
	}
	if err := s.cat.CreateNamespace(r.Context(), ns, body.Properties); err != nil {
		return err
	}
	return writeJSON(w, r.Request, body)
}

func (s *Server) loadNamespace(w http.ResponseWriter, r *request) error {
	ns, err := r.namespace()
	if err != nil {
		return err
	}
	props, err := s.cat.LoadNamespace(r.Context(), ns)
	if err != nil {
		return err
	}
	if props == nil {
		props = map[string]string{}
	}
	return writeJSON(w, r.Request, namespaceBody{ns, props})
}

func (s *Server) namespaceExists(w http.ResponseWriter, r *request) error {
	ns, err := r.namespace()
	if err != nil {
		return err
	}
	if _, err := s.cat.LoadNamespace(r.Context(), ns); err != nil {
		return err
	}
	return noContent(w)
}

func (s *Server) dropNamespace(w http.ResponseWriter, r *request) error {
	ns, err := r.namespace()
	if err != nil {
		return err
	}
	if err := s.cat.DropNamespace(r.Context(), ns); err != nil {
		return err
	}
	return noContent(w)
}

func (s *Server) updateNamespace(w http.ResponseWriter, r *request) error {
	ns, err := r.namespace()
	if err != nil {
		return err
	}
	var body struct {
		Removals []string          `json:"removals"`
		Updates  map[string]string `json:"updates"`
	}
	if err := decode(r.body, &body); err != nil {
		return err
	}
	slices.Sort(body.Removals)
	body.Removals = slices.Compact(body.Removals)
	for _, key := range body.Removals {
		if _, both := body.Updates[key]; both {
			return &bothWaysError{key}
		}
	}
	missing, err := s.cat.UpdateNamespace(r.Context(), ns, body.Updates, body.Removals)
	if err != nil {
		return err
	}
	answer := struct {
		Updated []string `json:"updated"`
		Removed []string `json:"removed"`
		Missing []string `json:"missing"`
	}{[]string{}, []string{}, append([]string{}, missing...)}
	for key := range body.Updates {
		answer.Updated = append(answer.Updated, key)
	}
	slices.Sort(answer.Updated)
	for _, key := range body.Removals {
		if !slices.Contains(missing, key) {
			answer.Removed = append(answer.Removed, key)
		}
	}
	return writeJSON(w, r.Request, answer)
}

// bothWaysError names the property.
type bothWaysError struct{ key string }

func (e *bothWaysError) Error() string { return errBothWays.Error() + ": " + e.key }

func (e *bothWaysError) Is(target error) bool { return target == errBothWays }
