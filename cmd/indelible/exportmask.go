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

	persons personKeys // nil: redact
	mu      sync.Mutex
	maskers []*mask.Masker
	tenants map[string]*tenantMask
}

// tenantMask is what the rows of one tenant are masked with.
type tenantMask struct {
	key    []byte
	erased suppressed
	shown  []byte // what stands for the tenant
}

// personKeys are what tenants' pseudonyms are made with, and who has none.
type personKeys interface {
	of(ctx context.Context, tenant string) (key []byte, erased suppressed, err error)
	ids() []string // of the keys that were used
}

// localPersons are those of the ledger at hand.
type localPersons struct {
	keys   *pseudonymKeys
	erased *erasedPersons
}

func (p *localPersons) of(ctx context.Context, tenant string) (key []byte, erased suppressed, err error) {
	if key, err = p.keys.of(ctx, tenant); err == nil {
		erased, err = p.erased.of(ctx, tenant)
	}
	return key, erased, err
}

func (p *localPersons) ids() []string { return p.keys.ids() }

// masking sets up how the rows of a job are masked by the ledger at hand. The
// keys it opens are closed by done.
func (a *app) masking(ctx context.Context, d *datadir.Directory, idKey *[32]byte, mode, recheck string, job *dataset.Job) (done func() error, err error) {
	done = func() error { return nil }
	if mode == maskOff {
		return done, nil
	}
	policy, err := maskPolicy(d, func(c *datadir.MaskConfig) *datadir.MaskTypes { return c.Export })
	if err != nil {
		return done, err
	}
	var persons personKeys
	if mode == maskPseudonym {
		keys, erased, err := a.openPseudonyms(ctx, d, idKey, "say --mask redact")
		if err != nil {
			return done, err
		}
		persons, done = &localPersons{keys, erased}, keys.keys.Close
	}
	maskRows(ctx, job, policy, persons, mode, recheck)
	return done, nil
}

// maskRows has the rows of a job masked; without persons identities become [TYPE].
func maskRows(ctx context.Context, job *dataset.Job, policy *mask.Policy, persons personKeys, mode, recheck string) {
	x := &exportMask{
		ctx: ctx, policy: policy, persons: persons, mode: mode, always: recheck == recheckFull,
		several: job.Query.AllTenants || len(job.Query.Tenants) > 1, tenants: make(map[string]*tenantMask),
	}
	job.Masks = dataset.Masks{Mode: mode, PolicyVersion: policy.Version(), Columns: x.columns(), NotDetected: mask.NotDetected}
	job.Masker = x.masker
	job.Masked = x.counted
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
	if x.persons != nil {
		m.KeyIDs = x.persons.ids()
	}
}

// masker implements dataset.Job.Masker.
func (x *exportMask) masker(columns []runs.Column) (dataset.Masker, error) {
	r := &rowMasker{export: x, extra: columns}
	m, err := mask.New(x.policy, mask.Options{
		Redact: x.persons == nil, Key: make([]byte, mask.MinKey), // each row's tenant brings its key, and who of it was erased
		Suppressed: func(who mask.Identity) bool {
			return r.with.erased != nil && r.with.erased(who)
		},
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
	with   *tenantMask
	rows   uint64
	buf    []byte
}

// MaskRun implements dataset.Masker: error_message, metadata and extra columns
// are scanned, the other columns are kept.
func (m *rowMasker) MaskRun(r *runs.Run) error {
	if m.with == nil || m.tenant != string(r.TenantID) {
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
		r.TenantID = m.with.shown
	}
	return nil
}

// begin takes what the rows that follow are masked with.
func (m *rowMasker) begin(tenant string) error {
	with, err := m.export.of(tenant)
	if err != nil {
		return err
	}
	m.tenant, m.with = tenant, with
	return m.masker.For(tenant, with.key)
}

// of is what the rows of a tenant are masked with, the same in all of an export.
func (x *exportMask) of(tenant string) (*tenantMask, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if t := x.tenants[tenant]; t != nil {
		return t, nil
	}
	t := &tenantMask{shown: []byte("[TENANT_ID]")}
	if x.persons != nil {
		var err error
		if t.key, t.erased, err = x.persons.of(x.ctx, tenant); err != nil {
			return nil, err
		}
		if x.several {
			names, _, err := x.persons.of(x.ctx, systemTenant)
			if err != nil {
				return nil, err
			}
			t.shown = []byte("[TENANT_ID:" + mask.TokenOf(names, x.policy, "TENANT_ID", tenant) + "]")
		}
	}
	x.tenants[tenant] = t
	return t, nil
}
