package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
)

type object = map[string]any

// call is one request of the Iceberg REST protocol; out may be nil.
func (s *server) call(ctx context.Context, method, path string, body, out any) error {
	var payload io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.http+path, payload)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, data)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}

// namespace is where the tables of the benchmarks are.
const namespace = "bench"

func tablePath(name string) string { return "/v1/namespaces/" + namespace + "/tables/" + name }

// column is a column of a new table.
type column struct{ name, kind string }

// create makes a table that is left alone by the compactor until a job is
// asked for; partition is the column that it is partitioned by, or empty.
func (s *server) create(ctx context.Context, name string, columns []column, partition string, properties object) (id string, err error) {
	if err := s.call(ctx, http.MethodGet, "/v1/namespaces/"+namespace, nil, nil); err != nil {
		if err := s.call(ctx, http.MethodPost, "/v1/namespaces", object{"namespace": []string{namespace}}, nil); err != nil {
			return "", err
		}
	}
	fields := make([]object, len(columns))
	spec := object{"spec-id": 0, "fields": []object{}}
	for i, c := range columns {
		fields[i] = object{"id": i + 1, "name": c.name, "type": c.kind, "required": false}
		if c.name == partition {
			spec["fields"] = []object{{"source-id": i + 1, "field-id": 1000, "name": c.name, "transform": "identity"}}
		}
	}
	all := object{"firn.compact.enabled": "false"}
	maps.Copy(all, properties)
	var made struct {
		Metadata struct {
			ID string `json:"table-uuid"`
		} `json:"metadata"`
	}
	err = s.call(ctx, http.MethodPost, "/v1/namespaces/"+namespace+"/tables", object{
		"name": name, "schema": object{"type": "struct", "schema-id": 0, "fields": fields}, "partition-spec": spec, "properties": all,
	}, &made)
	return made.Metadata.ID, err
}
