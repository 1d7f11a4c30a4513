package sample

import "strconv"

// A kind is one sort of event and what its members may be.
type kind struct {
	eventType, resourceType, prefix string
	resources                       int // how many there are
	actions                         []string
	share                           int // of all events, in percent
	failures                        int // of these, in percent
	byService                       int // not by a person, in percent
	details                         func(m *maker, b []byte, failed bool) []byte
}

var kinds = []kind{
	{"workflow_execution", "workflow", "wf-", 400, []string{"execute", "execute", "execute", "retry", "cancel"}, 30, 9, 70, executionDetails},
	{"workflow_step", "step", "st-", 9000, []string{"start", "complete", "complete", "skip"}, 35, 6, 100, stepDetails},
	{"data_access", "dataset", "ds-", 250, []string{"read", "read", "read", "export", "delete"}, 18, 4, 35, accessDetails},
	{"authentication", "session", "se-", 50_000, []string{"login", "login", "refresh", "logout"}, 12, 14, 0, loginDetails},
	{"configuration_change", "setting", "cf-", 120, []string{"update", "update", "create", "delete"}, 5, 3, 10, changeDetails},
}

type tenant struct {
	id    string
	share int // of all events, in percent
	users []string
}

var tenants = []tenant{
	{"acme", 42, []string{"maria.keller@acme.example", "tom.okafor@acme.example", "li.wei@acme.example", "ana.sousa@acme.example", "j.novak@acme.example", "priya.rao@acme.example"}},
	{"globex", 27, []string{"hank@globex.example", "sofia.lind@globex.example", "omar.haddad@globex.example", "zoë@globex.example"}},
	{"initech-eu", 18, []string{"p.gibbons@initech.example", "m.bolton@initech.example", "samir@initech.example"}},
	{"müller-gmbh", 9, []string{"jürgen@mueller.example", "k.schäfer@mueller.example"}},
	{"umbrella-labs", 4, []string{"a.wong@umbrella.example", "l.kennedy@umbrella.example"}},
}

var (
	services = []string{"svc-scheduler", "svc-ingest", "svc-reports"}
	programs = []string{"workflow-client/2.3.1", "workflow-client/2.4.0", "python-requests/2.32.3", "Go-http-client/2.0"}
	agents   = []string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
		"curl/8.9.1",
	}
	errorKinds = []string{"timeout", "upstream_unavailable", "quota_exceeded", "invalid_input", "out_of_memory"}
	messages   = []string{
		"step timed out after 30s", "upstream answered 503 three times", "the quota of 40 parallel runs is used up",
		"column \\\"amount\\\" is not a number in row 1834", "the worker was stopped: memory limit of 2 GiB reached",
	}
	pools    = []string{"gpu-small", "large", "spot", "standard"}
	regions  = []string{"eu-central", "eu-west", "us-east"}
	settings = []string{"alert.email", "parallel_runs", "retention.days", "retry.limit", "schedule.cron"}
)

// One draw from these gives a kind or tenant as often as its share says.
var pickKind, pickTenant [100]uint8

func init() {
	i := 0
	for k := range kinds {
		for range kinds[k].share {
			pickKind[i] = uint8(k)
			i++
		}
	}
	i = 0
	for t := range tenants {
		for range tenants[t].share {
			pickTenant[i] = uint8(t)
			i++
		}
	}
}

// The details are written in canonical form: members in the order of their
// names, no white space.

func executionDetails(m *maker, b []byte, failed bool) []byte {
	steps := 2 + m.rng.IntN(14)
	done := steps
	if failed {
		done = m.rng.IntN(steps)
	}
	b = append(b, `{"cost":{"cpu_seconds":`...)
	b = m.tenths(b, 40_000)
	b = append(b, `,"currency":"EUR","total":`...)
	b = m.tenths(b, 900)
	b = append(b, `},"duration_ms":`...)
	b = m.number(b, 400, 180_000)
	b = m.failure(b, failed)
	b = append(b, `,"input":{"filters":["region=`...)
	b = append(b, regions[m.rng.IntN(len(regions))]...)
	b = append(b, `","status!=void"],"rows":`...)
	b = m.number(b, 10, 2_000_000)
	b = append(b, `},"pool":"`...)
	b = append(b, pools[m.rng.IntN(len(pools))]...)
	b = append(b, `","steps_completed":`...)
	b = strconv.AppendInt(b, int64(done), 10)
	b = append(b, `,"steps_total":`...)
	b = strconv.AppendInt(b, int64(steps), 10)
	return append(b, `,"trigger":{"schedule":"0 2 * * *","type":"cron"}}`...)
}

func stepDetails(m *maker, b []byte, failed bool) []byte {
	b = append(b, `{"attempt":`...)
	b = m.number(b, 1, 3)
	b = append(b, `,"duration_ms":`...)
	b = m.number(b, 20, 30_000)
	b = m.failure(b, failed)
	b = append(b, `,"host":{"name":"worker-`...)
	b = m.number(b, 1, 40)
	b = append(b, `","pool":"`...)
	b = append(b, pools[m.rng.IntN(len(pools))]...)
	b = append(b, `"},"memory_mb":{"limit":2048,"peak":`...)
	b = m.number(b, 60, 2000)
	b = append(b, `},"position":`...)
	b = m.number(b, 1, 15)
	b = append(b, `,"workflow":{"run":`...)
	b = m.number(b, 1, 90_000)
	b = append(b, `,"version":"`...)
	b = m.number(b, 1, 9)
	return append(b, `.0"}}`...)
}

func accessDetails(m *maker, b []byte, failed bool) []byte {
	b = append(b, `{"bytes":`...)
	b = m.number(b, 200, 80_000_000)
	b = append(b, `,"columns":["amount","customer_id","ordered_at"]`...)
	b = m.failure(b, failed)
	b = append(b, `,"format":"parquet","purpose":{"approved_by":"data-office","ticket":"DG-`...)
	b = m.number(b, 100, 4000)
	b = append(b, `"},"query":{"limit":`...)
	b = m.number(b, 100, 10_000)
	b = append(b, `,"where":"region = '`...)
	b = append(b, regions[m.rng.IntN(len(regions))]...)
	b = append(b, `'"},"rows":`...)
	b = m.number(b, 1, 500_000)
	return append(b, '}')
}

func loginDetails(m *maker, b []byte, failed bool) []byte {
	b = append(b, `{"client":{"application":"console","version":"5.`...)
	b = m.number(b, 0, 30)
	b = append(b, `"},"device":{"known":`...)
	b = strconv.AppendBool(b, !failed)
	b = append(b, `,"type":"laptop"}`...)
	if failed {
		b = append(b, `,"error":{"message":"the second factor did not match","type":"mfa_failed"}`...)
	}
	b = append(b, `,"method":{"factors":["password","totp"],"provider":"oidc"},"risk":{"reasons":[],"score":0.`...)
	b = m.number(b, 1, 9)
	b = append(b, `},"session_minutes":`...)
	b = m.number(b, 15, 480)
	return append(b, '}')
}

func changeDetails(m *maker, b []byte, failed bool) []byte {
	b = append(b, `{"after":{"value":`...)
	b = m.number(b, 1, 90)
	b = append(b, `},"before":{"value":`...)
	b = m.number(b, 1, 90)
	b = append(b, `},"change":{"approved":`...)
	b = strconv.AppendBool(b, !failed)
	b = append(b, `,"reason":"planned maintenance","request":"CR-`...)
	b = m.number(b, 1000, 9999)
	b = append(b, `"}`...)
	b = m.failure(b, failed)
	b = append(b, `,"setting":"`...)
	b = append(b, settings[m.rng.IntN(len(settings))]...)
	return append(b, `","source":{"file":"platform.yaml","kind":"console"}}`...)
}

// failure writes the member error of an event that failed.
func (m *maker) failure(b []byte, failed bool) []byte {
	if !failed {
		return b
	}
	i := m.rng.IntN(len(errorKinds))
	b = append(b, `,"error":{"message":"`...)
	b = append(b, messages[i]...)
	b = append(b, `","type":"`...)
	b = append(b, errorKinds[i]...)
	return append(b, `"}`...)
}

// number writes a whole number from low to high; small ones are more frequent.
func (m *maker) number(b []byte, low, high int) []byte {
	x := m.rng.Float64()
	return strconv.AppendInt(b, int64(low)+int64(x*x*float64(high-low+1)), 10)
}

// tenths writes a number below limit/10 with one decimal that is not zero.
func (m *maker) tenths(b []byte, limit int) []byte {
	b = strconv.AppendInt(b, int64(m.rng.IntN(limit)/10), 10)
	return append(b, '.', byte('1'+m.rng.IntN(9)))
}
