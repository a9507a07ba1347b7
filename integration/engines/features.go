package engines

import "slices"

// Feature is a line of the compatibility matrix.
type Feature string

// The features, in the matrix's order. A journey that proves something new adds
// its line here.
const (
	Create            Feature = "create table"
	CreateAsSelect    Feature = "create table as select"
	Append            Feature = "append"
	Overwrite         Feature = "overwrite"
	DeleteCopy        Feature = "delete, copy-on-write"
	DeletePositions   Feature = "delete, position deletes"
	DeleteVectors     Feature = "delete, deletion vectors"
	DeleteBelow       Feature = "delete below a bound leaves nulls"
	DeleteEvolved     Feature = "delete after partition evolution"
	Update            Feature = "update"
	Merge             Feature = "merge"
	Upsert            Feature = "upsert"
	TableTransactions Feature = "transaction on one table"
	Transactions      Feature = "transaction over several tables"
	Conflicts         Feature = "a lost race is told as a conflict"
	ReadTables        Feature = "read tables of every engine"
	ReadFirn          Feature = "read bronze, silver, gold and quarantine"
	ReadDeletes       Feature = "read tables with deletes"
	EqualityDelete    Feature = "equality deletes"
	Types             Feature = "all types, with nulls and extremes"
	NegativeZero      Feature = "a filter for 0 finds -0.0"
	RowLineage        Feature = "row lineage"
	Defaults          Feature = "column defaults"
	SetDefaults       Feature = "set column defaults"
	Variant           Feature = "variant"
	NanoTimestamps    Feature = "timestamps of nanoseconds"
	SchemaEvolution   Feature = "schema evolution"
	SpecEvolution     Feature = "partition evolution"
	PartitionedWrites Feature = "partitioned writes"
	TimeTravel        Feature = "time travel"
	Branches          Feature = "branches and tags"
	Rollback          Feature = "rollback and current snapshot"
	Views             Feature = "views"
	MaterializedViews Feature = "materialized views"
	Pushdown          Feature = "conditions and columns are pushed down"
	MetadataTables    Feature = "metadata tables"
	Statistics        Feature = "statistics of columns, in Puffin files"
	Maintenance       Feature = "its own maintenance procedures"
	Orphans           Feature = "remove orphan files by itself"
	Register          Feature = "register table"
	AddFiles          Feature = "add files"
	Rename            Feature = "rename table"
	Drop              Feature = "drop table"
	Purge             Feature = "purge table"
	Namespaces        Feature = "namespaces and their properties"
	NestedNamespaces  Feature = "nested namespaces"
	OddNames          Feature = "names that need escaping"
	UpperCase         Feature = "names in upper case, of others"
	UpgradeFormat     Feature = "upgrade of the table format"
	Concurrency       Feature = "writes beside Firn's own"
	DataFormats       Feature = "Avro and ORC data files"
	Compacts          Feature = "compact what others wrote"
	LeavesAlone       Feature = "leave alone what cannot be compacted, with the reason"
	Expires           Feature = "expire and remove orphans of what others wrote"
	ServedKeys        Feature = "keys of the store come from the catalog"
	ServedStore       Feature = "address of the store comes from the catalog"
	Snippet           Feature = "connect snippet, unedited"
)

// Features lists all of them in the matrix's order.
func Features() []Feature {
	return []Feature{
		Namespaces, NestedNamespaces, OddNames, UpperCase, Create, CreateAsSelect, Append, Overwrite, DeleteCopy, DeletePositions, DeleteVectors, DeleteBelow, DeleteEvolved,
		Update, Merge, Upsert, TableTransactions, Transactions, Conflicts, ReadTables, ReadFirn, ReadDeletes, EqualityDelete, Types, NegativeZero, RowLineage, Defaults, SetDefaults, Variant, NanoTimestamps,
		SchemaEvolution, SpecEvolution, PartitionedWrites, TimeTravel, Branches, Rollback, Views, MaterializedViews, Pushdown, MetadataTables, Statistics, Maintenance, Orphans, Register, AddFiles,
		Rename, Drop, Purge, UpgradeFormat, DataFormats, Concurrency, Compacts, LeavesAlone, Expires, ServedKeys, ServedStore, Snippet,
	}
}

func known(f Feature) bool { return slices.Contains(Features(), f) }
