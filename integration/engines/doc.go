// Package engines starts real engines against the built binary: Spark, Trino,
// PyIceberg, DuckDB, polars, and Firn's own SQL beside them. What is missing
// fails a test; nothing is skipped. `make test-engines` installs and runs it.
//
// A journey is a test in a file of its engine, in this folder:
//
//	func TestSparkBranches(t *testing.T) {
//		lake := engines.NewLake(t)          // a fresh `firn dev`; S3=minio puts it on MinIO
//		spark := lake.On(t, engines.Spark)  // starts the engine when it does not run
//		spark.Exec(t, "CREATE NAMESPACE "+spark.Namespace("shop"))
//		spark.Check(t, engines.Branches, 2, func(t *testing.T) {
//			spark.Exec(t, "CREATE TABLE "+spark.Table("shop", "t")+" (id BIGINT)")
//			rows := spark.Query(t, "SELECT count(*) FROM "+spark.Table("shop", "t"))
//			assert.Equal(t, "0", rows.Cell(0, 0))
//		})
//		engines.Same(t, spark.Read(t, "shop", "t"), lake.On(t, engines.Firn).Read(t, "shop", "t"))
//	}
//
// Engines live as long as the test process and are shared by its tests, which
// run one after another; of the two on a JVM one runs at a time: `On` ends the
// other. A lake is a catalog of its own name in each engine, so always name
// tables with [Session.Table]. PyIceberg and polars take Python: the catalog is
// the variable [Session.Catalog], the last expression of a query its result.
//
// Rows are rendered in one way for all engines (see [Rows]) and compared with
// [Same], or by [Rows.Checksum], in which the order of rows does not count.
//
// [Lake.Independent] computes a table from its files, with no Iceberg library,
// and [DemoLake] is what the demo leaves behind. [Lake.With] attaches with other
// settings of the engine; Trino needs [TypedKeys] for its procedure
// register_table. [Lake.Snippet] is the text that people paste,
// [Session.Script] runs a Python program as they would. Firn's own side is
// [harness.Firn.CLI].
//
// Every feature that a journey proves is reported with [Session.Check], every
// one that an engine cannot do with [Session.Cannot], which proves the refusal.
// They make docs/compatibility.md; a run whose findings differ from what is
// committed fails, and `make test-engines RECORD=1` renews it.
package engines
