package duck

// Go initialises packages one after another, and main comes last. What comes
// after this package takes two thirds of the CPU time of a process's start
// (iceberg-go reads Substrait's YAML, 65 of 95 ms), and a worker needs none of
// it. Each statement of a user costs a worker, so a worker begins its work here,
// as soon as what it imports is ready: this package must not import iceberg-go.
// That it comes early is speed and no promise; WorkerMain in main does the same.
var _ = workEarly()

func workEarly() struct{} {
	WorkerMain()
	return struct{}{}
}
