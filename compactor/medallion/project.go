package medallion

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// File is one file of a project, as on disk.
type File struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// Project is a parsed project. Its SQL has not been looked at yet.
type Project struct {
	Name    string
	Layers  map[string]string // layer -> namespace
	Sources []*SourceFile
	Models  []*ModelFile
}

// SourceFile is a source and the file it came from.
type SourceFile struct {
	Source
	File    File
	columns []Column
	doc     *document
}

// ModelFile is a model and the file it came from.
type ModelFile struct {
	Head
	File File
	// SQL is the SELECT after the head.
	SQL string
	doc *document
	// sqlLine and sqlColumn are where SQL begins in the file.
	sqlLine, sqlColumn int
}

const (
	headOpen  = "/*---"
	headClose = "---*/"
)

// ParseProject reads the files of a project: firn.yml, sources (.yml with
// "kind: source") and models (.sql). Other files are left alone.
func ParseProject(files []File) (*Project, Diagnostics) {
	p := &Project{Layers: map[string]string{"bronze": "bronze", "silver": "silver", "gold": "gold"}}
	var faults Diagnostics
	for _, f := range files {
		switch {
		case path.Base(f.Path) == "firn.yml":
			faults = append(faults, p.readProject(f)...)
		case strings.HasSuffix(f.Path, ".sql"):
			faults = append(faults, p.readModel(f)...)
		case strings.HasSuffix(f.Path, ".yml"), strings.HasSuffix(f.Path, ".yaml"):
			faults = append(faults, p.readSource(f)...)
		}
	}
	faults = append(faults, p.checkNames()...)
	return p, faults.sorted()
}

func (p *Project) readProject(f File) Diagnostics {
	var y ProjectFile
	doc, faults := decode(f.Path, f.Text, 1, &y)
	if len(faults) > 0 {
		return faults
	}
	p.Name = y.Project
	for layer, ns := range y.Layers {
		if !namePart.MatchString(ns) {
			faults = append(faults, doc.fault("$.layers."+layer, fmt.Sprintf("%q is no namespace", ns), nameHelp))
		}
		p.Layers[layer] = ns
	}
	if e := y.Engine.Default; e != "" && e != "duckdb" {
		faults = append(faults, doc.fault("$.engine.default", fmt.Sprintf("engine %q is not served yet", e), `use "duckdb"`))
	}
	if y.Engine.Memory != "" || y.Engine.Threads != 0 {
		faults = append(faults, doc.fault("$.engine", "engine limits of a project are not served yet",
			"set the workers' memory and threads in the configuration of the service"))
	}
	if s := y.Defaults.OnSchemaChange; s != "" {
		faults = append(faults, doc.fault("$.defaults.on_schema_change", "on_schema_change is not served yet",
			"a changed query is a rebuild: apply it with --rebuild"))
	}
	return faults
}

var kindLine = regexp.MustCompile(`(?m)^kind:`)

func (p *Project) readSource(f File) Diagnostics {
	if !kindLine.MatchString(f.Text) {
		return nil // not ours: a CI file, an editor's settings
	}
	s := &SourceFile{File: f}
	doc, faults := decode(f.Path, f.Text, 1, &s.Source)
	if len(faults) > 0 {
		return faults
	}
	s.doc = doc
	if s.Kind != "source" {
		return Diagnostics{doc.fault("$.kind", fmt.Sprintf("kind %q in a YAML file", s.Kind), `YAML files hold "kind: source"; models are .sql files`)}
	}
	p.Sources = append(p.Sources, s)
	return s.check()
}

// controls finds what no text file holds. DuckDB reads a statement up to a NUL,
// so one would hide what follows it from people and checks.
func controls(f File, text string) Diagnostics {
	at := strings.IndexFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' })
	if at < 0 {
		return nil
	}
	r, _ := utf8.DecodeRuneInString(text[at:])
	line := text[strings.LastIndexByte(text[:at], '\n')+1 : at]
	return Diagnostics{{
		Path: f.Path, Line: 1 + strings.Count(text[:at], "\n"), Column: 1 + utf8.RuneCountInString(line),
		Message: fmt.Sprintf("the file holds the control character %U", r), Help: "remove it",
	}}
}

func (p *Project) readModel(f File) Diagnostics {
	text := strings.ReplaceAll(f.Text, "\r\n", "\n")
	if faults := controls(f, text); len(faults) > 0 {
		return faults
	}
	before, after, ok := strings.Cut(text, headOpen)
	if !ok || strings.TrimSpace(before) != "" {
		return Diagnostics{{Path: f.Path, Line: 1, Column: 1, Message: "no head", Help: "begin the file with " + headOpen + " and end the head with " + headClose}}
	}
	body := after
	before0, after0, ok0 := strings.Cut(body, headClose)
	if !ok0 {
		return Diagnostics{{Path: f.Path, Line: 1, Column: 1, Message: "the head has no end", Help: "end it with " + headClose}}
	}
	m := &ModelFile{File: f}
	headLine := 1 + strings.Count(before, "\n")
	doc, faults := decode(f.Path, before0, headLine, &m.Head)
	if len(faults) > 0 {
		return faults
	}
	m.doc = doc
	rest := after0
	trimmed := strings.TrimLeft(rest, " \t\n")
	offset := len(text) - len(trimmed)
	m.sqlLine = 1 + strings.Count(text[:offset], "\n")
	m.sqlColumn = offset - strings.LastIndexByte(text[:offset], '\n')
	m.SQL = strings.TrimRight(strings.TrimRight(trimmed, " \t\n"), ";")
	p.Models = append(p.Models, m)
	return m.check()
}

// sqlFault answers a diagnostic at a byte offset of the model's SELECT.
func (m *ModelFile) sqlFault(offset int, message, help string) Diagnostic {
	d := Diagnostic{Path: m.File.Path, Line: m.sqlLine, Column: m.sqlColumn, Message: message, Help: help}
	if offset > 0 && offset <= len(m.SQL) {
		before := m.SQL[:offset]
		d.Line += strings.Count(before, "\n")
		if i := strings.LastIndexByte(before, '\n'); i >= 0 {
			d.Column = offset - i
		} else {
			d.Column += offset
		}
	}
	return d
}

var namePart = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

const nameHelp = "use lower-case letters, digits and underscores, not beginning with a digit"

// splitName answers the namespace and the table of "silver.payments".
func splitName(s string) (namespace, table string, ok bool) {
	namespace, table, ok = strings.Cut(s, ".")
	return namespace, table, ok && namePart.MatchString(namespace) && namePart.MatchString(table)
}

// checkNames finds names that are taken twice, also by side tables.
func (p *Project) checkNames() Diagnostics {
	var faults Diagnostics
	taken := map[string]string{}
	take := func(doc *document, name string) {
		if other, ok := taken[name]; ok {
			faults = append(faults, doc.fault("$.name", fmt.Sprintf("%s is also defined in %s", name, other), "give one of them another name"))
			return
		}
		taken[name] = doc.path
	}
	for _, s := range p.Sources {
		take(s.doc, s.Name)
	}
	for _, m := range p.Models {
		take(m.doc, m.Name)
	}
	for _, m := range p.Models {
		for _, side := range []string{sideQuarantine, sideChanges, sideTombstones} {
			if other, ok := taken[m.Name+side]; ok {
				faults = append(faults, m.doc.fault("$.name", fmt.Sprintf("the side table %s%s is also defined in %s", m.Name, side, other), "give that table another name"))
			}
		}
	}
	return faults
}

// layer answers the layer that a table's namespace stands for.
func (p *Project) layer(name string) string {
	ns, _, _ := strings.Cut(name, ".")
	for _, l := range []string{"bronze", "silver", "gold"} {
		if p.Layers[l] == ns {
			return l
		}
	}
	return ns
}

// Side tables carry these after the name of the target.
const (
	sideQuarantine = "__quarantine"
	sideChanges    = "__changes"
	sideTombstones = "__tombstones"
)

func duplicates(names []string) []string {
	var out []string
	for i, n := range names {
		if slices.Contains(names[:i], n) {
			out = append(out, n)
		}
	}
	return out
}
