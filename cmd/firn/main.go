package main

import (
	_ "connectrpc.com/connect"
	_ "github.com/apache/arrow-go/v18/parquet/pqarrow"
	_ "github.com/apache/iceberg-go/catalog/catalogtest"
	_ "github.com/apache/iceberg-go/table"
	_ "github.com/charmbracelet/fang"
	_ "github.com/dgraph-io/ristretto/v2"
	_ "github.com/duckdb/duckdb-go/v2"
	_ "github.com/go-co-op/gocron/v2"
	_ "github.com/goccy/go-yaml"
	_ "github.com/itchyny/gojq"
	_ "github.com/jedib0t/go-pretty/v6/table"
	_ "github.com/knadh/koanf/v2"
	_ "github.com/minio/minio-go/v7"
	_ "github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/spf13/cobra"
	_ "github.com/vbauerster/mpb/v8"
	_ "github.com/versity/versitygw/embedgw"
	_ "go.etcd.io/bbolt"
	_ "go.uber.org/goleak"
	_ "golang.org/x/sync/errgroup"
	_ "google.golang.org/protobuf/proto"
	_ "pgregory.net/rapid"
)

func main() {}
