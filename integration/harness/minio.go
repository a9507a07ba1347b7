package harness

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// MinIO is a running MinIO server on loopback.
type MinIO struct {
	Endpoint, AccessKey, SecretKey string
}

// Store is the object store of this run: embedded, or minio by S3=minio.
func Store() string {
	if store := os.Getenv("S3"); store != "" {
		return store
	}
	return "embedded"
}

// keepers are the MinIO servers of this process by the lake whose files they
// keep. A lake that starts again finds its own.
var keepers = struct {
	sync.Mutex
	by map[string]MinIO
}{by: map[string]MinIO{}}

// keeper answers the MinIO of a lake's folder, and starts it until the end of
// the test when it does not run. The demo keeps its files in the same place.
func keeper(t testing.TB, data string) MinIO {
	t.Helper()
	keepers.Lock()
	defer keepers.Unlock()
	m, ok := keepers.by[data]
	if !ok {
		m = StartMinIOIn(t, filepath.Join(data, "minio"), "firn-test", "firn-test-secret")
		keepers.by[data] = m
		t.Cleanup(func() {
			keepers.Lock()
			defer keepers.Unlock()
			delete(keepers.by, data)
		})
	}
	return m
}

// StartMinIO runs bin/minio on a fresh folder until the end of the test.
func StartMinIO(t testing.TB) MinIO {
	t.Helper()
	return StartMinIOIn(t, t.TempDir(), "firn-test", "firn-test-secret")
}

// StartMinIOIn runs bin/minio on a folder that may hold data already, with keys
// of its own, until the end of the test.
func StartMinIOIn(t testing.TB, folder, accessKey, secretKey string) MinIO {
	t.Helper()
	binary := must(t, filepath.Join(Root(t), "bin", "minio"), "run `make tools-test` first")
	m := MinIO{Endpoint: FreeAddress(t), AccessKey: accessKey, SecretKey: secretKey}
	cmd := exec.Command(binary, "server", folder, "--address", m.Endpoint, "--console-address", FreeAddress(t), "--quiet")
	cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+m.AccessKey, "MINIO_ROOT_PASSWORD="+m.SecretKey, "MINIO_BROWSER=off", "MINIO_UPDATE=off")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	deadline := time.After(time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			t.Fatal("MinIO ended before it was ready")
		case <-deadline:
			t.Fatal("MinIO is not ready after a minute")
		case <-tick.C:
		}
		answer, err := http.Get("http://" + m.Endpoint + "/minio/health/ready")
		if err != nil {
			continue
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return m
		}
	}
}

// Flags point `firn dev` at this store.
func (m MinIO) Flags(bucket string) []string {
	return []string{"--s3.endpoint", "http://" + m.Endpoint, "--s3.access-key", m.AccessKey, "--s3.secret-key", m.SecretKey, "--s3.bucket", bucket}
}
