package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"indelible/internal/access"
	"indelible/internal/exports"
)

const (
	maxSpec      = 256 << 10 // bytes of what is asked for
	maxDownloads = 32        // at once, of exports' files
	maxOwnFiles  = 4         // of one key
	downloadWait = 30 * time.Second
)

// exporter is what requests about exports begin with: there are exports, and the
// caller may export for some tenant.
func (s *Server) exporter(a *asking, what string) (access.TenantScope, error) {
	scope, err := s.permit(a, access.Export, what)
	if err == nil && s.cfg.Exports == nil {
		err = problem(http.StatusNotFound, "not_found", "this server makes no exports: indelible.yaml has no exports.to")
	}
	return scope, err
}

// about notes which export is looked at.
func (a *asking) about(e *exports.Export, query map[string]string) {
	a.look.Query = query
	if e != nil {
		a.look.Tenants, a.look.All = e.Tenants, e.AllTenants
	}
}

// postExport answers POST /v1/exports.
func (s *Server) postExport(a *asking) error {
	scope, err := s.exporter(a, "start_export")
	if err != nil {
		return err
	}
	if _, err := parameters(a.Request); err != nil {
		return err
	}
	if media, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";"); media != "application/json" {
		return problem(http.StatusUnsupportedMediaType, "media_type", "send application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(a.w, a.Body, maxSpec))
	if err != nil {
		return err
	}
	spec, err := exports.ParseSpec(body)
	if err != nil {
		return problem(http.StatusBadRequest, "bad_request", err.Error())
	}
	_, all := scope.Tenants()
	permitted := !spec.AllTenants || all
	for _, t := range spec.Tenants {
		permitted = permitted && scope.Allows(t)
	}
	if !permitted {
		return s.deny(a, problem(http.StatusForbidden, "tenant_forbidden", ""))
	}
	if err := s.cfg.Exports.Check(spec); err != nil {
		why := s.cfg.Exports.Explain(err)
		p := problem(http.StatusBadRequest, "bad_request", why.Detail)
		p.Hint = why.Hint
		return p
	}
	a.look.Query, a.look.Tenants, a.look.All = spec.Query(), spec.Tenants, spec.AllTenants
	if err := s.begin(a); err != nil {
		return err
	}
	e, err := s.cfg.Exports.Add(spec, a.who.Name)
	if err = s.end(a, nil, exportProblem(err)); err != nil {
		return err
	}
	a.w.Header().Set("Location", "/v1/exports/"+e.ID)
	writeJSON(a.w, http.StatusAccepted, e)
	return nil
}

// exportProblem is a problem where the error is one of the queue's.
func exportProblem(err error) error {
	switch {
	case errors.Is(err, exports.ErrNotFound):
		return problem(http.StatusNotFound, "not_found", "no export of yours has this id, or no file this name")
	case errors.Is(err, exports.ErrEnded):
		return problem(http.StatusConflict, "ended", "")
	case errors.Is(err, exports.ErrTooMany):
		return problem(http.StatusTooManyRequests, "rate", "several exports of yours have not ended").after(time.Minute)
	case errors.Is(err, exports.ErrFull):
		return problem(http.StatusServiceUnavailable, "busy", "too many exports wait").after(time.Minute)
	}
	return err
}

// exportList is the answer to GET /v1/exports.
type exportList struct {
	Exports []exports.Export `json:"exports"`
}

// getExports answers GET /v1/exports.
func (s *Server) getExports(a *asking) error {
	scope, err := s.exporter(a, "list_exports")
	if err != nil {
		return err
	}
	if _, err := parameters(a.Request); err != nil {
		return err
	}
	a.aboutTenants(scope, "", nil)
	if err := s.begin(a); err != nil {
		return err
	}
	list := exportList{s.cfg.Exports.List(scope)}
	if err := s.end(a, nil, nil); err != nil {
		return err
	}
	writeJSON(a.w, http.StatusOK, list)
	return nil
}

// getExport answers GET /v1/exports/{id}.
func (s *Server) getExport(a *asking) error {
	return s.oneExport(a, "read_export", http.StatusOK, func(scope access.TenantScope, id string) (*exports.Export, error) {
		return s.cfg.Exports.Get(scope, id)
	})
}

// deleteExport answers DELETE /v1/exports/{id}: it is given up.
func (s *Server) deleteExport(a *asking) error {
	return s.oneExport(a, "cancel_export", http.StatusAccepted, func(scope access.TenantScope, id string) (*exports.Export, error) {
		return s.cfg.Exports.Cancel(scope, id)
	})
}

// oneExport does something with one export of the caller's tenants.
func (s *Server) oneExport(a *asking, what string, code int, do func(access.TenantScope, string) (*exports.Export, error)) error {
	scope, err := s.exporter(a, what)
	if err != nil {
		return err
	}
	if _, err := parameters(a.Request); err != nil {
		return err
	}
	id, ok := eventID(a.PathValue("id"))
	if !ok {
		return problem(http.StatusBadRequest, "bad_request", "the id of an export is a UUID")
	}
	e, err := s.cfg.Exports.Get(scope, id)
	a.about(e, map[string]string{"export": id})
	if lerr := s.begin(a); lerr != nil {
		return lerr
	}
	if err == nil {
		e, err = do(scope, id)
	}
	if err = s.end(a, nil, exportProblem(err)); err != nil {
		return err
	}
	writeJSON(a.w, code, e)
	return nil
}

// getExportFile answers GET /v1/exports/{id}/files/{name}. That it is asked for is
// recorded before the first byte, and how it ended after the last.
func (s *Server) getExportFile(a *asking) error {
	scope, err := s.exporter(a, "download_export")
	if err != nil {
		return err
	}
	if _, err := parameters(a.Request); err != nil {
		return err
	}
	id, ok := eventID(a.PathValue("id"))
	if !ok {
		return problem(http.StatusBadRequest, "bad_request", "the id of an export is a UUID")
	}
	release, p := s.downloads.take(a.who.KeyID)
	if p != nil {
		return p
	}
	defer release()
	name := a.PathValue("name")
	e, err := s.cfg.Exports.Get(scope, id)
	query := map[string]string{"export": id, "file": cut(name, 400)}
	if part := a.Header.Get("Range"); part != "" {
		query["range"] = strings.ToValidUTF8(cut(part, 200), "\uFFFD")
	}
	a.about(e, query)
	if lerr := s.begin(a); lerr != nil {
		return lerr
	}
	if err != nil {
		return s.end(a, nil, exportProblem(err))
	}
	in, file, err := s.cfg.Exports.File(a.Context(), scope, id, name)
	if err != nil {
		return s.end(a, nil, exportProblem(err))
	}
	defer in.Close()
	seeker, ok := in.(io.ReadSeeker)
	if !ok {
		return s.end(a, nil, errors.New("a file of a dataset cannot be read in parts"))
	}
	h := a.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(name)}))
	h.Set("Cache-Control", "no-store")
	if file.SHA256 != "" {
		h.Set("ETag", `"`+file.SHA256+`"`)
	}
	out, from := newPatient(a.w, downloadWait), &watched{ReadSeeker: seeker}
	http.ServeContent(out, a.Request, "", time.Time{}, from)
	result := access.Result{Rows: int(file.Rows)}
	if from.err != nil {
		s.cfg.Log.Error("a file of an export cannot be read", "export", id, "file", name, "err", from.err)
	}
	if out.err != nil || from.err != nil {
		result.Err = "cut_off"
	}
	a.ended(s, result)
	return nil
}

// watched notes what went wrong when it was read.
type watched struct {
	io.ReadSeeker
	err error
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.ReadSeeker.Read(b)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}
