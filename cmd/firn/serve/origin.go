package serve

import (
	"net"
	"net/http"
	"strings"
)

// protect keeps pages of other sites away from a service that knows no users.
// A page that makes its own name point to 127.0.0.1 has the same origin as
// Firn, so `firn dev` on loopback answers to names of this machine only.
func (p *process) protect(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	host, _, err := net.SplitHostPort(p.cfg.HTTP.Listen)
	if !p.mode.Dev || err != nil || !thisMachine(host) {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !thisMachine(hostOf(r.Host)) {
			http.Error(w, "firn dev serves this machine only and does not answer to the name in the request; use "+p.address, http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.Trim(address, "[]")
}

// thisMachine reports whether a host is loopback: an address, localhost, or a
// name that no public zone can hold.
func thisMachine(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".internal")
}
