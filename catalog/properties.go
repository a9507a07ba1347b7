package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/iceberg-go/table"
)

// Properties of tables that the catalog itself reads.
const (
	// PropertyMaxSnapshots bounds the snapshots that a table keeps: each commit
	// forgets the oldest beyond it. Refs keep theirs. It never deletes a file.
	PropertyMaxSnapshots = "firn.snapshots.max"
	// PropertyMergeCount is how many manifests of like size are merged into one. Default 16.
	PropertyMergeCount = "commit.manifest.min-count-to-merge"
	// PropertyMergeEnabled switches merging off with "false".
	PropertyMergeEnabled = "commit.manifest-merge.enabled"
)

// steering are property keys with which one client could steer another: where
// it connects, as whom, with which code.
var steering = []string{
	"uri", "token", "credential", "scope", "prefix", "warehouse", "io-impl", "catalog-impl", "py-io-impl",
	"py-catalog-impl", "type", "signer", "security.token", "metrics-reporter-impl", "lock-impl", "encryption.kms-impl",
}

var steeringPrefixes = []string{
	"s3.", "s3-", "adls.", "adlfs.", "abfs.", "gcs.", "gs.", "oss.", "hdfs.", "hf.", "fs.", "client.", "glue.", "dynamodb.", "header.",
	"rest.", "rest-", "oauth2", "token-", "token.", "credential-", "credential.", "signer.", "snowflake.", "ssl.", "http-client.", "auth.",
	"encryption.kms-", "authorization", "vended-", "storage-credentials",
}

// pathProperties move files out of the table's prefix.
var pathProperties = []string{
	table.WriteDataPathKey, table.WriteMetadataPathKey, table.WriteMetadataLocationKey,
	"write.object-storage.path", "write.folder-storage.path",
}

// checkProperties refuses keys with which one client could steer another.
// location is the table's prefix, empty when it has none yet.
func (c *Catalog) checkProperties(props map[string]string, location string) error {
	for k, v := range props {
		lower := strings.ToLower(k)
		switch {
		case k == "" || len(k) > 1024 || len(v) > 1<<20:
			return fmt.Errorf("%w: property %q: keys have 1 to 1024 bytes, values up to 1 MiB", ErrInvalid, clip(k))
		case slices.Contains(steering, lower), slices.ContainsFunc(steeringPrefixes, func(p string) bool { return strings.HasPrefix(lower, p) }):
			return fmt.Errorf("%w: property %q cannot be set: it would steer other clients; configure it in the client instead", ErrInvalid, clip(k))
		case slices.Contains(pathProperties, lower):
			if location == "" || !c.inside(v, location) {
				return fmt.Errorf("%w: property %q must lie under the table's location", ErrInvalid, clip(k))
			}
		}
	}
	return nil
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
