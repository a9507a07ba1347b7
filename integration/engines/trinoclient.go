package engines

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// trinoClient speaks Trino's client protocol: a statement is posted, and the
// answers name where the next one is. START TRANSACTION holds for all that
// follows, until COMMIT or ROLLBACK.
type trinoClient struct {
	base        string
	transaction atomic.Value // string
	// catalog and schema of names without them, as the last USE said.
	catalog, schema string
}

// trinoType is a type signature of the protocol.
type trinoType struct {
	RawType   string `json:"rawType"`
	Arguments []struct {
		Kind  string          `json:"kind"`
		Value json.RawMessage `json:"value"`
	} `json:"arguments"`
}

type trinoAnswer struct {
	NextURI string `json:"nextUri"`
	Columns []struct {
		Name          string    `json:"name"`
		TypeSignature trinoType `json:"typeSignature"`
	} `json:"columns"`
	Data  [][]json.RawMessage `json:"data"`
	Error *struct {
		Message   string        `json:"message"`
		ErrorName string        `json:"errorName"`
		Failure   *trinoFailure `json:"failureInfo"`
	} `json:"error"`
}

// trinoFailure is an exception with what caused it: often only the last cause
// says what was wrong.
type trinoFailure struct {
	Type    string        `json:"type"`
	Message string        `json:"message"`
	Cause   *trinoFailure `json:"cause"`
}

func (f *trinoFailure) causes() string {
	var b strings.Builder
	for f != nil && f.Cause != nil {
		f = f.Cause
		fmt.Fprintf(&b, "\n caused by %s: %s", f.Type, f.Message)
	}
	return b.String()
}

func (c *trinoClient) query(ctx context.Context, statement string) (Rows, error) {
	answer, err := c.ask(ctx, http.MethodPost, c.base+"/v1/statement", statement)
	var rows Rows
	for {
		if err != nil {
			return Rows{}, err
		}
		if answer.Error != nil {
			return Rows{}, fmt.Errorf("%s: %s%s", answer.Error.ErrorName, answer.Error.Message, answer.Error.Failure.causes())
		}
		if rows.Columns == nil {
			for _, column := range answer.Columns {
				rows.Columns = append(rows.Columns, column.Name)
			}
		}
		for _, data := range answer.Data {
			row := make([]string, len(data))
			for i, value := range data {
				if row[i], err = answer.Columns[i].TypeSignature.render(value); err != nil {
					return Rows{}, fmt.Errorf("column %s: %w", answer.Columns[i].Name, err)
				}
			}
			rows.Values = append(rows.Values, row)
		}
		if answer.NextURI == "" {
			return rows, nil
		}
		answer, err = c.ask(ctx, http.MethodGet, answer.NextURI, "")
	}
}

func (c *trinoClient) ask(ctx context.Context, method, address, body string) (*trinoAnswer, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-Trino-User", "firn")
	request.Header.Set("X-Trino-Time-Zone", "UTC")
	if c.catalog != "" {
		request.Header.Set("X-Trino-Catalog", c.catalog)
		request.Header.Set("X-Trino-Schema", c.schema)
	}
	transaction, _ := c.transaction.Load().(string)
	request.Header.Set("X-Trino-Transaction-Id", cmp.Or(transaction, "NONE"))
	// Without it, times are cut to milliseconds for old clients.
	request.Header.Set("X-Trino-Client-Capabilities", "PARAMETRIC_DATETIME")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("trino answers %s to %s %s", response.Status, method, address)
	}
	if id := response.Header.Get("X-Trino-Started-Transaction-Id"); id != "" {
		c.transaction.Store(id)
	}
	if response.Header.Get("X-Trino-Clear-Transaction-Id") != "" {
		c.transaction.Store("")
	}
	if catalog := response.Header.Get("X-Trino-Set-Catalog"); catalog != "" {
		c.catalog = catalog
	}
	if schema := response.Header.Get("X-Trino-Set-Schema"); schema != "" {
		c.schema = schema
	}
	var answer trinoAnswer
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read trino's answer: %w", err)
	}
	return &answer, nil
}

// render is the text of a value as [Rows] has it.
func (k trinoType) render(raw json.RawMessage) (string, error) {
	if string(raw) == "null" {
		return "null", nil
	}
	switch k.RawType {
	case "boolean", "tinyint", "smallint", "integer", "bigint":
		return string(raw), nil
	case "array", "map", "row":
		return k.nested(raw)
	}
	text := string(raw)
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(raw, &text); err != nil {
			return "", err
		}
	}
	switch k.RawType {
	case "decimal", "date":
		return text, nil
	case "varchar", "char", "uuid", "json", "variant":
		return strconv.Quote(text), nil
	case "varbinary":
		b, err := base64.StdEncoding.DecodeString(text)
		return bytesText(b), err
	case "real", "double":
		bits := map[string]int{"real": 32, "double": 64}[k.RawType]
		v, err := strconv.ParseFloat(text, bits)
		return float(v, bits), err
	case "time", "timestamp":
		return instant(text), nil
	case "timestamp with time zone":
		at, zone, _ := cutLast(text, " ")
		if zone != "UTC" {
			return "", fmt.Errorf("a time in zone %q", zone)
		}
		return instant(at) + "Z", nil
	}
	return "", fmt.Errorf("the rendering of trino's %s is not defined", k.RawType)
}

// instant drops trailing zeros of a fraction and puts a T after the date.
func instant(text string) string {
	whole, digits, _ := strings.Cut(text, ".")
	return strings.Replace(whole, " ", "T", 1) + fraction(digits)
}

func cutLast(text, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(text, sep); i >= 0 {
		return text[:i], text[i+len(sep):], true
	}
	return text, "", false
}

// inner is a type argument, and the field name when it has one.
func (k trinoType) inner(i int) (name string, kind trinoType, err error) {
	if i >= len(k.Arguments) {
		return "", kind, fmt.Errorf("%s without type argument %d", k.RawType, i)
	}
	a := k.Arguments[i]
	if a.Kind != "NAMED_TYPE" {
		return "", kind, json.Unmarshal(a.Value, &kind)
	}
	var named struct {
		FieldName struct {
			Name string `json:"name"`
		} `json:"fieldName"`
		TypeSignature trinoType `json:"typeSignature"`
	}
	err = json.Unmarshal(a.Value, &named)
	return named.FieldName.Name, named.TypeSignature, err
}

func (k trinoType) nested(raw json.RawMessage) (string, error) {
	if k.RawType == "map" {
		return k.mapped(raw)
	}
	var values []json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		return "", err
	}
	parts := make([]string, len(values))
	for i, value := range values {
		at := 0
		if k.RawType == "row" {
			at = i
		}
		name, kind, err := k.inner(at)
		if err != nil {
			return "", err
		}
		if parts[i], err = kind.render(value); err != nil {
			return "", err
		}
		if k.RawType == "row" {
			parts[i] = name + ": " + parts[i]
		}
	}
	if k.RawType == "row" {
		return "{" + strings.Join(parts, ", ") + "}", nil
	}
	return "[" + strings.Join(parts, ", ") + "]", nil
}

// mapped renders a map, whose keys are texts on the wire.
func (k trinoType) mapped(raw json.RawMessage) (string, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		return "", err
	}
	_, keyKind, err := k.inner(0)
	if err != nil {
		return "", err
	}
	_, valueKind, err := k.inner(1)
	if err != nil {
		return "", err
	}
	parts := make([]string, 0, len(values))
	for key, value := range values {
		quoted, err := json.Marshal(key)
		if err != nil {
			return "", err
		}
		switch keyKind.RawType {
		case "boolean", "tinyint", "smallint", "integer", "bigint":
			quoted = []byte(key)
		}
		k, err := keyKind.render(quoted)
		if err != nil {
			return "", err
		}
		v, err := valueKind.render(value)
		if err != nil {
			return "", err
		}
		parts = append(parts, k+" => "+v)
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ", ") + "}", nil
}
