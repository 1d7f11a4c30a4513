package main

import (
	"context"
	"sync"

	"indelible/internal/datadir"
	"indelible/internal/dataset"
	"indelible/internal/mask"
	"indelible/internal/runs"
)

// What export --mask may be.
const (
	maskPseudonym = "pseudonym" // identities become pseudonyms; the default
	maskRedact    = "redact"    // they become [TYPE]
	maskOff       = "off"
)

// systemTenant holds the key that tenants' own names are hidden with.
const systemTenant = "_system"

// exportMask masks the rows of one export. Several goroutines read rows, each
// with a masker of its own.
type exportMask struct {
	ctx     context.Context
	policy  *mask.Policy
	mode    string
	always  bool // every row is scanned again
	several bool // tenants: their names are hidden

	keys    *pseudonymKeys // nil: redact
	erased  *erasedPersons
	mu      sync.Mutex
	maskers []*mask.Masker
}

// masking sets up how the rows of a job are masked. The keys it opens are
// closed by done.
func (a *app) masking(ctx context.Context, d *datadir.Directory, idKey *[32]byte, mode, recheck string, job *dataset.Job) (done func() error, err error) {
	done = func() error { return nil }
	if mode == maskOff {
		return done, nil
	}
	x := &exportMask{
		ctx: ctx, mode: mode, always: recheck == recheckFull, several: job.Query.AllTenants || len(job.Query.Tenants) > 1,
	}
	if x.policy, err = maskPolicy(d, func(c *datadir.MaskConfig) *datadir.MaskTypes { return c.Export }); err != nil {
		return done, err
	}
	if mode == maskPseudonym {
		if x.keys, x.erased, err = a.openPseudonyms(ctx, d, idKey, "say --mask redact"); err != nil {
			return done, err
		}
		done = x.keys.keys.Close
	}
	job.Masks = dataset.Masks{Mode: mode, PolicyVersion: x.policy.Version(), Columns: x.columns(), NotDetected: mask.NotDetected}
	job.Masker = x.masker
	job.Masked = x.counted
	return done, nil
}

// columns says what is done to which column.
func (x *exportMask) columns() map[string]string {
	c := map[string]string{"tenant_id": "kept", "error_message": "masked", "metadata": "masked"}
	for _, name := range []string{"id", "workflow_name", "workflow_version", "status", "started_at", "completed_at", "duration_ms", "steps_completed", "steps_total", "created_at"} {
		c[name] = "kept"
	}
	if x.several {
		c["tenant_id"] = x.mode
	}
	return c
}

// counted says at the end what was done.
func (x *exportMask) counted(m *dataset.Masks) {
	x.mu.Lock()
	defer x.mu.Unlock()
	m.Counts = make(map[string]uint64)
	for _, one := range x.maskers {
		for c, n := range one.Counts() {
			if c.Action != mask.Keep {
				m.Counts[string(c.Type)] += uint64(n)
			}
		}
	}
	m.KeyIDs = x.keys.ids()
}

// masker implements dataset.Job.Masker.
func (x *exportMask) masker(columns []runs.Column) (dataset.Masker, error) {
	r := &rowMasker{export: x, extra: columns}
	m, err := mask.New(x.policy, mask.Options{
		Redact: x.keys == nil, Key: make([]byte, mask.MinKey), // each row's tenant brings its key, and who of it was erased
		Suppressed: func(token, found, compared string) bool { return r.erased != nil && r.erased(token, found, compared) },
	})
	if err != nil {
		return nil, err
	}
	r.masker = m
	x.mu.Lock()
	defer x.mu.Unlock()
	x.maskers = append(x.maskers, m)
	return r, nil
}

// rowMasker masks rows, one after the other.
type rowMasker struct {
	export *exportMask
	masker *mask.Masker
	extra  []runs.Column
	tenant string
	erased func(token, found, compared string) bool // whether it is of somebody of the tenant who was erased; nil: nobody was
	shown  []byte                                   // what stands for the tenant
	began  bool
	rows   uint64
	buf    []byte
}

// MaskRun implements dataset.Masker: error_message, metadata and extra columns
// are scanned, the other columns are kept.
func (m *rowMasker) MaskRun(r *runs.Run) error {
	if !m.began || m.tenant != string(r.TenantID) {
		if err := m.begin(string(r.TenantID)); err != nil {
			return err
		}
	}
	m.rows++
	always := m.export.always || m.rows%recheckEvery == 0
	m.buf = m.buf[:0]
	var left []mask.Type
	take := func(do func(dst, value []byte, field string, always bool) ([]byte, []mask.Type), value []byte, field string) []byte {
		if value == nil {
			return nil
		}
		from := len(m.buf)
		var found []mask.Type
		m.buf, found = do(m.buf, value, field, always)
		left = append(left, found...)
		return m.buf[from:len(m.buf):len(m.buf)]
	}
	if m.masker.Shifts() {
		m.masker.PersonIn(append([][]byte{r.Metadata}, r.Extra...)...)
	}
	r.ErrorMessage = take(m.masker.Text, r.ErrorMessage, "error_message")
	r.Metadata = take(m.masker.JSON, r.Metadata, "metadata")
	for i := range r.Extra {
		r.Extra[i] = take(m.masker.JSON, r.Extra[i], m.extra[i].Name)
	}
	if len(left) > 0 {
		return failf(exitFailure, "no dataset was made; please report the form of the value", "row %s: still found after masking: %v", field(string(r.ID)), left)
	}
	if m.export.several {
		r.TenantID = m.shown
	}
	return nil
}

// begin takes the key of the rows that follow.
func (m *rowMasker) begin(tenant string) error {
	key, err := m.export.keys.of(m.export.ctx, tenant)
	if err != nil {
		return err
	}
	if err := m.masker.For(tenant, key); err != nil {
		return err
	}
	if m.erased, err = m.export.erased.of(m.export.ctx, tenant); err != nil {
		return err
	}
	if m.export.several {
		m.shown = []byte("[TENANT_ID]")
		if m.export.keys != nil {
			names, err := m.export.keys.of(m.export.ctx, systemTenant)
			if err != nil {
				return err
			}
			m.shown = []byte("[TENANT_ID:" + mask.TokenOf(names, m.export.policy, "TENANT_ID", tenant) + "]")
		}
	}
	m.tenant, m.began = tenant, true
	return nil
}
