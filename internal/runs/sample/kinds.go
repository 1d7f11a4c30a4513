package sample

import "math/rand/v2"

// A workflow is what is run. Shares and chances are what its runs have in common.
type workflow struct {
	name        string
	share       int     // of all runs, in percent
	steps       int     // how many it has
	logDuration float64 // of the typical duration in milliseconds
	spread      float64 // of that logarithm
	failures    int     // per thousand, on a good day
	byHand      int     // started by a person, in percent
	releaseDays int64   // between two versions
	cores       float64
	megabytes   float64 // memory it usually takes
}

var workflows = []workflow{
	{"ingest-orders", 22, 6, 9.2, 0.5, 12, 3, 14, 1.4, 420},
	{"nightly-report", 10, 9, 12.1, 0.4, 20, 6, 28, 2.2, 1600},
	{"train-churn-model", 6, 14, 14.6, 0.7, 45, 35, 9, 7.5, 14_000},
	{"sync-crm", 17, 4, 8.1, 0.9, 30, 2, 21, 0.6, 180},
	{"render-invoices", 12, 5, 9.9, 0.6, 9, 12, 35, 1.1, 650},
	{"fraud-scoring", 15, 3, 6.7, 0.5, 5, 0, 7, 0.9, 900},
	{"gdpr-erasure", 3, 7, 10.4, 0.6, 15, 80, 60, 0.5, 240},
	{"image-pipeline", 9, 11, 11.3, 0.8, 28, 20, 12, 3.8, 3900},
	{"backfill", 2, 8, 15.2, 1.0, 70, 95, 45, 4.1, 5200},
	{"größenabgleich", 4, 5, 9.0, 0.7, 18, 8, 30, 0.8, 310},
}

type tenant struct {
	id     string
	share  int // of all runs, in percent
	people []string
}

// The names of people and their addresses are made up, in domains for examples.
var tenants = []tenant{
	{"acme", 41, []string{"maria.keller@acme.example", "tom.okafor@acme.example", "li.wei@acme.example", "ana.sousa@acme.example", "priya.rao@acme.example"}},
	{"globex", 26, []string{"hank@globex.example", "sofia.lind@globex.example", "omar.haddad@globex.example", "zoë@globex.example"}},
	{"initech-eu", 19, []string{"p.gibbons@initech.example", "m.bolton@initech.example", "samir@initech.example"}},
	{"müller-gmbh", 9, []string{"jürgen@mueller.example", "k.schäfer@mueller.example"}},
	{"o'neill & sons", 5, []string{"sinéad.o'neill@oneill.example", "d.o'neill@oneill.example"}},
}

var (
	pools   = []string{"gpu-small", "large", "spot", "standard", "standard", "standard"}
	regions = []string{"eu-central", "eu-west", "us-east"}
	queues  = []string{"default", "default", "bulk", "urgent"}
	tags    = []string{`"nightly"`, `"pii"`, `"billing"`, `"experiment"`, `"sla-gold"`}

	// Notes people leave: what has to survive every step of an export.
	notes = []string{
		`quotes \" and \\ backslashes`, `line one\nline two\ttabbed`, `Ünïcödé ✓ 漢字 🚀`, `'; DROP TABLE workflow_runs; --`,
		`</script><script>alert(1)</script>`, `call +49 30 901820 before rerun`, "\u202ertl \u200bzero width", `=HYPERLINK(\"http://example.com\")`,
		`invoice for IBAN DE89 3704 0044 0532 0130 00`, `{\"not\": \"nested\"}`, ``,
	}
)

// One draw from these gives a workflow or tenant as often as its share says.
var workflowShares, tenantShares [100]uint8

func init() {
	i := 0
	for w := range workflows {
		for range workflows[w].share {
			workflowShares[i] = uint8(w)
			i++
		}
	}
	i = 0
	for t := range tenants {
		for range tenants[t].share {
			tenantShares[i] = uint8(t)
			i++
		}
	}
}

func pick(rng *rand.Rand, shares [100]uint8) int { return int(shares[rng.IntN(100)]) }
