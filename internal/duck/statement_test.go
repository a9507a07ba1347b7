package duck

import "testing"

// TestClassesOfErrors: what DuckDB says, and what it means for who asked.
func TestClassesOfErrors(t *testing.T) {
	for msg, class := range map[string]string{
		`{"exception_type":"Parser","exception_message":"syntax error","position":"7"}`:                                                   classSQL,
		`{"exception_type":"Out of Memory","exception_message":"could not allocate block of size 8.0 MiB"}`:                               classMemory,
		`{"exception_type":"Invalid","exception_message":"std::bad_alloc"}`:                                                               classMemory,
		`{"exception_type":"INTERNAL","exception_message":"Parquet writer: 753672 compressed page size out of range for type integer\n"}`: classMemory,
		`{"exception_type":"IO","exception_message":"could not write: No space left on device"}`:                                          classDiskFull,
		`{"exception_type":"INTERNAL","exception_message":"Attempted to access index 3 within vector of size 3\nStack"}`:                  classInternal,
		`Catalog Error: Table with name x does not exist!`:                                                                                classSQL,
	} {
		if e := sqlError(msg); e.Class != class {
			t.Errorf("%s is %s, want %s", msg, e.Class, class)
		}
	}
}
