package rest

import (
	"net/http"
	"strings"
)

// storageCredential reaches what lies under a prefix.
type storageCredential struct {
	Prefix string            `json:"prefix"`
	Config map[string]string `json:"config"`
}

// loadCredentials answers what a client may reach a table's files with: in
// development mode the keys of the store on this machine, elsewhere nothing, and
// the client uses its own.
func (s *Server) loadCredentials(w http.ResponseWriter, r *request) error {
	id, err := r.ident()
	if err != nil {
		return err
	}
	t, err := s.cat.LoadTable(r.Context(), id)
	if err != nil {
		return err
	}
	list := []storageCredential{}
	if config := s.load.credentials.config(); len(config) > 0 {
		// With the slash at the end: ns/table is a prefix of ns/table_other too.
		list = append(list, storageCredential{strings.TrimSuffix(t.Location(), "/") + "/", config})
	}
	return writeJSON(w, r.Request, struct {
		Credentials []storageCredential `json:"storage-credentials"`
	}{list})
}
