package demo

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/harness"
)

// prose is what follows the name in sentences.
var prose = map[string]bool{
	"answers": true, "did": true, "ended": true, "fuse": true, "is": true, "keeps": true, "knows": true, "on": true, "only": true, "process": true, "worker": true,
}

// TestHints finds every `firn word` in sources, documents and messages, and
// asks the binary whether it has such a command: an error that names a command
// which does not exist is worse than none.
func TestHints(t *testing.T) {
	root := harness.Root(t)
	grep := exec.CommandContext(t.Context(), "git", "grep", "-hoE", `\bfirn [a-z][a-z-]+( [a-z][a-z-]+)?`, "--",
		"*.go", "*.ts", "*.tsx", "*.md", "*.proto", "*.tmpl", ":!*_test.go", ":!*.test.ts", ":!*.pb.go", ":!*_pb.ts", ":!docs/track-record.md")
	grep.Dir = root
	out, err := grep.Output()
	require.NoError(t, err)
	groups, checked := commandTree(t), map[string]bool{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)[1:]
		if prose[words[0]] {
			continue
		}
		inside, known := groups[words[0]]
		assert.True(t, known, "there is no command firn %s", words[0])
		if len(words) == 2 && len(inside) > 0 {
			assert.Contains(t, inside, words[1], "there is no command firn %s", strings.Join(words, " "))
		}
		checked[words[0]] = true
	}
	for _, command := range []string{"table", "sql", "run", "compact", "doctor", "job"} {
		assert.True(t, checked[command], "nothing mentions firn %s, so this test looks in the wrong place", command)
	}
}

// commandTree asks the binary for its commands, and for those inside each.
func commandTree(t *testing.T) map[string][]string {
	t.Helper()
	listed := func(args ...string) []string {
		a := firn(t, "127.0.0.1:1", append(args, "--help")...)
		require.Zero(t, a.code, a.err)
		_, text, found := strings.Cut(a.out, "COMMANDS")
		if !found {
			return nil
		}
		text, _, _ = strings.Cut(text, "FLAGS")
		var names []string
		for _, m := range regexp.MustCompile(`(?m)^ {4}([a-z-]+)`).FindAllStringSubmatch(text, -1) {
			names = append(names, m[1])
		}
		return names
	}
	tree := map[string][]string{}
	for _, name := range listed() {
		tree[name] = listed(name)
	}
	require.Contains(t, tree["table"], "ls")
	return tree
}
