package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// smallRequests are the options of every service but the writer, which counts
// what it takes in its byte budget. Their handlers are wrapped in small.
func smallRequests() []connect.HandlerOption {
	return append(strictRequests(), connect.WithReadMaxBytes(maxRequest), connect.WithCompression("gzip", newCappedGzip, newGzip))
}

// strictRequests refuse JSON with fields that the service does not know. To
// ignore them is dangerous: a misspelled idempotency key is no idempotency key.
func strictRequests() []connect.HandlerOption {
	return []connect.HandlerOption{
		connect.WithCodec(strictJSON{"json"}),
		connect.WithCodec(strictJSON{"json; charset=utf-8"}),
	}
}

// strictJSON is Connect's JSON codec, but for unknown fields and its errors.
type strictJSON struct{ name string }

// Name implements connect.Codec.
func (c strictJSON) Name() string { return c.name }

// IsBinary tells Connect that the text may stand in a stream of text.
func (c strictJSON) IsBinary() bool { return false }

// Marshal implements connect.Codec.
func (c strictJSON) Marshal(message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message", message)
	}
	return protojson.Marshal(m)
}

// Unmarshal implements connect.Codec.
func (c strictJSON) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no message", message)
	}
	name := m.ProtoReflect().Descriptor().Name()
	err := protojson.Unmarshal(data, m)
	switch {
	case err == nil:
		return nil
	case len(data) == 0:
		return errors.New("the request is empty; send a JSON object, at least {}")
	case !json.Valid(data):
		return fmt.Errorf("the request is not one JSON object: %s", reason(err))
	}
	var sent map[string]json.RawMessage
	if json.Unmarshal(data, &sent) == nil && !known(m, sent) {
		return fmt.Errorf("the request is no %s: %s; its fields are %s", name, reason(err), strings.Join(fields(m), ", "))
	}
	return fmt.Errorf("the request is no %s: %s", name, reason(err))
}

// known reports whether the message has all fields that were sent.
func known(m proto.Message, sent map[string]json.RawMessage) bool {
	list := m.ProtoReflect().Descriptor().Fields()
	for key := range sent {
		if list.ByJSONName(key) == nil && list.ByTextName(key) == nil {
			return false
		}
	}
	return true
}

// reason is protojson's error without its prefix, which varies by design.
func reason(err error) string {
	text := strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto: ")
	return strings.ToValidUTF8(text[:min(len(text), 300)], "\uFFFD")
}

func fields(m proto.Message) []string {
	list := m.ProtoReflect().Descriptor().Fields()
	names := make([]string, list.Len())
	for i := range names {
		names[i] = list.Get(i).JSONName()
	}
	return names
}
