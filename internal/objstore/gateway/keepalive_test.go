package gateway

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
)

// TestKeepAlive: connections are kept, except after a chunked body.
func TestKeepAlive(t *testing.T) {
	g := startGateway(t, config(t))
	conn, err := net.Dial("tcp", g.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	send := func(request string) *http.Response {
		t.Helper()
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	for range 3 {
		if resp := send("GET /lake/x HTTP/1.1\r\nHost: s3\r\n\r\n"); resp.Close || resp.StatusCode < 400 {
			t.Fatalf("GET: %d, close %t", resp.StatusCode, resp.Close)
		}
	}
	if resp := send("PUT /lake/x HTTP/1.1\r\nHost: s3\r\nContent-Length: 5\r\n\r\nhello"); resp.Close {
		t.Fatal("closed after a plain PUT")
	}
	resp := send("PUT /lake/x HTTP/1.1\r\nHost: s3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	if !resp.Close {
		t.Fatal("kept after a chunked body: its rest would be taken for the next request")
	}
	if rest, err := io.ReadAll(answers); err != nil || len(rest) > 0 {
		t.Fatalf("an answer to no request: %q, %v", rest, err)
	}
}
