package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

var scheduleKinds = []string{"compact", "rebalance", "expire", "manifests", "orphans", "promote"}

// check finds every value that cannot work, and every combination that must
// not.
func (l *Loaded) check() error {
	c := checker{l: l}
	c.roles()
	c.addresses()
	c.limits()
	c.storage()
	c.schedules()
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, l.Log.Level) {
		c.add("log.level", fmt.Sprintf("log.level %q is unknown", l.Log.Level), "there is no such level", "choose debug, info, warn or error")
	}
	if !slices.Contains([]string{"auto", "text", "json"}, l.Log.Format) {
		c.add("log.format", fmt.Sprintf("log.format %q is unknown", l.Log.Format), "there is no such format", "choose auto, text or json")
	}
	return errors.Join(c.errs...)
}

type checker struct {
	l    *Loaded
	errs []error
}

func (c *checker) add(key, what, why, do string) {
	c.errs = append(c.errs, &Problem{Key: key, Origin: c.l.origins[key], What: what, Why: why, Do: do})
}

func (c *checker) roles() {
	l := c.l
	if len(l.Roles) == 0 {
		c.add("roles", "no role is given", "a process without a role does nothing", "set --role to all or a list of "+joinRoles(AllRoles()))
	}
	if l.Has(RoleGateway) && !l.EmbeddedS3() && l.origins["roles"].Source != SourceDefault {
		c.add("roles", "the role gateway and s3.endpoint exclude each other", "the gateway serves S3 from this disk, but "+l.S3.Endpoint+" is configured as the object store", "drop the role gateway, or s3.endpoint")
	}
	if !l.Has(RoleGateway) && l.EmbeddedS3() && len(l.Roles) > 0 {
		c.add("s3.endpoint", "no object store is configured", "without the role gateway the tables need an S3 endpoint", "set s3.endpoint, or add the role gateway")
	}
}

func (c *checker) addresses() {
	used := map[string]string{}
	for _, a := range []struct {
		key, addr string
		on        bool
	}{
		{"http.listen", c.l.HTTP.Listen, true},
		{"metrics.listen", c.l.Metrics.Listen, c.l.Metrics.Listen != ""},
		{"gateway.listen", c.l.Gateway.Listen, c.l.Has(RoleGateway) && c.l.EmbeddedS3()},
	} {
		if !a.on {
			continue
		}
		host, port, err := net.SplitHostPort(a.addr)
		if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n > 65535 {
			c.add(a.key, fmt.Sprintf("%s %q is not an address", a.key, a.addr), "it must be host:port", "write for example 127.0.0.1:8181, or :0 for any free port")
			continue
		}
		if other, taken := used[a.addr]; taken && port != "0" {
			c.add(a.key, fmt.Sprintf("%s and %s are both %s", other, a.key, a.addr), "two listeners cannot share an address", "give one of them another port")
		}
		used[a.addr] = a.key
		if !Loopback(host) && !c.l.Insecure {
			c.add(a.key, fmt.Sprintf("%s %s can be reached from other machines", a.key, a.addr), "this version has no authentication: whoever connects can read and drop every table", "listen on 127.0.0.1 behind a proxy that authenticates, or pass --insecure if you accept that")
		}
	}
}

// Loopback reports whether a host of a listen address reaches only this machine.
func Loopback(host string) bool {
	if host == "" || host == "localhost" {
		return true // an absent host is completed to 127.0.0.1
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

func (c *checker) limits() {
	l := c.l
	size := func(key string, v, low, high ByteSize) {
		if v < low || v > high {
			c.add(key, fmt.Sprintf("%s is %s", key, v), fmt.Sprintf("it must be between %s and %s", low, high), "change it")
		}
	}
	size("writer.byte_budget", l.Writer.ByteBudget, 1*MiB, 1*TiB)
	size("writer.max_request", l.Writer.MaxRequest, 64*KiB, 2*GiB)
	size("compactor.target_file", l.Compactor.TargetFile, 1*MiB, 5*GiB)
	size("compactor.memory", l.Compactor.Memory, 128*MiB, 4*TiB)
	size("query.memory", l.Query.Memory, 128*MiB, 4*TiB)
	size("cache.metadata", l.Cache.Metadata, 1*MiB, 1*TiB)
	size("cache.disk", l.Cache.Disk, 16*MiB, 1024*TiB)
	if l.Writer.MaxRequest > l.Writer.ByteBudget {
		c.add("writer.max_request", fmt.Sprintf("writer.max_request %s is larger than writer.byte_budget %s", l.Writer.MaxRequest, l.Writer.ByteBudget), "such a request could never be admitted", "raise the budget or lower the request limit")
	}
	for _, d := range []struct {
		key       string
		v         time.Duration
		low, high time.Duration
	}{
		{"writer.commit_wait", l.Writer.CommitWait, 0, 500 * time.Millisecond},
		{"compactor.grace", l.Compactor.Grace, time.Minute, 365 * 24 * time.Hour},
		{"compactor.orphan_every", l.Compactor.OrphanEvery, time.Second, 365 * 24 * time.Hour},
		{"query.timeout", l.Query.Timeout, time.Millisecond, 24 * time.Hour},
		{"drain", l.Drain, time.Second, time.Hour},
	} {
		if d.v < d.low || d.v > d.high {
			c.add(d.key, fmt.Sprintf("%s is %s", d.key, d.v), fmt.Sprintf("it must be between %s and %s", d.low, d.high), "change it")
		}
	}
	for _, n := range []struct {
		key  string
		v    int64
		high int64
	}{
		{"compactor.workers", int64(l.Compactor.Workers), 256},
		{"query.workers", int64(l.Query.Workers), 256},
		{"query.max_rows", l.Query.MaxRows, 1 << 40},
	} {
		if n.v < 1 || n.v > n.high {
			c.add(n.key, fmt.Sprintf("%s is %d", n.key, n.v), fmt.Sprintf("it must be between 1 and %d", n.high), "change it")
		}
	}
}

func (c *checker) storage() {
	l := c.l
	if l.Data == "" {
		c.add("data", "data is empty", "the process needs a folder for its store, cache and lock", "set --data DIR")
	}
	if l.S3.Bucket == "" {
		c.add("s3.bucket", "s3.bucket is empty", "tables live in a bucket", "name one")
	}
	if !bucketName(l.S3.Bucket) && l.S3.Bucket != "" {
		c.add("s3.bucket", fmt.Sprintf("s3.bucket %q is not a bucket name", l.S3.Bucket), "names have 3 to 63 lower-case letters, digits, dots and hyphens", "choose another")
	}
	if (l.S3.AccessKey == "") != (l.S3.SecretKey == "") {
		c.add("s3.secret_key", "only one of s3.access_key and s3.secret_key is set", "they belong together", "set both")
	}
	if l.EmbeddedS3() && (l.S3.AccessKey == "" || l.S3.SecretKey == "") {
		c.add("s3.access_key", "the embedded gateway has no account", "it serves exactly one access key", "set s3.access_key and s3.secret_key, or leave both at their defaults")
	}
	if !warehouseName(l.Warehouse) {
		c.add("warehouse", fmt.Sprintf("warehouse %q is not a name", l.Warehouse), "it is the first folder of every path: 1 to 63 lower-case letters, digits, hyphens and underscores", "choose another")
	}
}

func bucketName(s string) bool {
	if len(s) < 3 || len(s) > 63 || strings.Contains(s, "..") {
		return false
	}
	alnum := func(r byte) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' }
	if !alnum(s[0]) || !alnum(s[len(s)-1]) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 127 || !alnum(byte(r)) && r != '.' && r != '-' })
}

func warehouseName(s string) bool {
	return s != "" && len(s) <= 63 && s[0] != '_' && s[0] != '-' && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

func (c *checker) schedules() {
	seen := map[string]bool{}
	for i, s := range c.l.Compactor.Schedules {
		name := s.Name
		if name == "" {
			name = fmt.Sprintf("number %d", i+1)
		}
		bad := func(why, do string) {
			c.add("compactor.schedules", "schedule "+name+" is not valid", why, do)
		}
		if s.Name == "" {
			bad("it has no name", "name it: its name is how its firings are remembered")
		}
		if seen[s.Name] && s.Name != "" {
			bad("the name is given twice", "names must differ")
		}
		seen[s.Name] = true
		if _, err := cron.ParseStandard(s.Cron); err != nil || strings.HasPrefix(s.Cron, "TZ=") || strings.HasPrefix(s.Cron, "CRON_TZ=") {
			bad(fmt.Sprintf("cron %q cannot be read", s.Cron), "write five fields (minute hour day month weekday), for example \"0 2 * * *\"")
		}
		if _, err := time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "Local" {
			bad(fmt.Sprintf("time_zone %q is unknown", s.TimeZone), "write an IANA name such as Asia/Kuala_Lumpur")
		}
		if !slices.Contains(scheduleKinds, s.Kind) {
			bad(fmt.Sprintf("kind %q is unknown", s.Kind), "choose "+strings.Join(scheduleKinds, ", "))
		}
	}
}
