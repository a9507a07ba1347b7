package engines

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/cmd/firn/sqlstream"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// firnSQL is Firn's own SQL over its query service, as `firn sql` asks it. It
// reads; it has no session, so a catalog is a prefix that is not spoken.
type firnSQL struct {
	lakes map[string]*Lake
}

func (f *firnSQL) version() string { return "head" }

func (f *firnSQL) attach(_ context.Context, catalog string, l *Lake, _ map[string]string) error {
	if f.lakes == nil {
		f.lakes = map[string]*Lake{}
	}
	f.lakes[catalog] = l
	return nil
}

func (f *firnSQL) exec(context.Context, string) error {
	return errors.New("firn's SQL only reads")
}

// query runs on the lake whose name stands in a comment before the statement.
func (f *firnSQL) query(ctx context.Context, statement string) (Rows, error) {
	for catalog, l := range f.lakes {
		if strings.Contains(statement, catalog+".") {
			return f.ask(ctx, l, strings.ReplaceAll(statement, catalog+".", ""))
		}
	}
	return Rows{}, errors.New("the statement names no table of an attached lake; name tables with Session.Table")
}

func (f *firnSQL) ask(ctx context.Context, l *Lake, statement string) (Rows, error) {
	rows, _, err := l.SQL(ctx, &firnv1.QueryRequest{Sql: statement})
	return rows, err
}

// SQL is the answer of Firn's query service, whole, and what it cost.
func (l *Lake) SQL(ctx context.Context, request *firnv1.QueryRequest) (rows Rows, stats *firnv1.QueryStats, err error) {
	client := firnv1connect.NewQueryServiceClient(http.DefaultClient, l.HTTP)
	stream, err := sqlstream.Open(ctx, client, request)
	if err != nil {
		return Rows{}, nil, err
	}
	defer stream.Close()
	for _, field := range stream.Schema().Fields() {
		rows.Columns = append(rows.Columns, field.Name)
	}
	for stream.Next() {
		if err := rows.add(stream.Batch()); err != nil {
			return Rows{}, nil, err
		}
	}
	if err := stream.Err(); err != nil {
		return Rows{}, nil, err
	}
	if stats = stream.Stats(); stats == nil || stats.Truncated {
		return Rows{}, nil, errors.New("the result was cut, or not said to be whole")
	}
	return rows, stats, nil
}

func (f *firnSQL) table(catalog string, namespace []string, name string) string {
	return f.namespace(catalog, namespace) + "." + quoted(name)
}

// namespace is one name, in which a level that holds dots is quoted itself.
func (f *firnSQL) namespace(prefix string, levels []string) string {
	return prefix + "." + quoted(catalog.Namespace(levels).String())
}

func (f *firnSQL) read(ctx context.Context, catalog string, namespace []string, name string) (Rows, error) {
	return f.query(ctx, "SELECT * FROM "+f.table(catalog, namespace, name))
}

func (f *firnSQL) alive() bool { return true }

func (f *firnSQL) stop() {}
