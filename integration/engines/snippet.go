package engines

import (
	"net/http"
	"testing"

	"connectrpc.com/connect"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// Snippet is the text that page and command line show to connect an engine to a
// table, for a test to run unedited.
func (l *Lake) Snippet(t testing.TB, engine Name, path ...string) string {
	t.Helper()
	client := firnv1connect.NewCatalogServiceClient(http.DefaultClient, l.HTTP)
	table := &firnv1.TableRef{Namespace: path[:len(path)-1], Name: path[len(path)-1]}
	answer, err := client.GetConnect(t.Context(), connect.NewRequest(&firnv1.GetConnectRequest{Table: table, Engine: string(engine)}))
	if err != nil {
		t.Fatalf("snippet of %s: %v", engine, err)
	}
	return answer.Msg.Text
}
