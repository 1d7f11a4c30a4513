package masktest

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// frames are what workflow engines and their steps write when something fails.
// ‹e› and its like are places for values; ‹…› of clean kinds carry no label.
var frames = []string{
	"Step ‹name› failed: could not notify ‹e›: 550 mailbox unavailable",
	"ValidationError: field contact_email has value '‹e›' (type=value_error.email)",
	"sent report to ‹e›, ‹e› and 3 more in ‹ms›",
	"psycopg2.errors.UniqueViolation: duplicate key value violates unique constraint \"users_email_key\"\nDETAIL:  Key (email)=(‹e›) already exists.",
	"GET /v1/users?email=‹e›&page=2 HTTP/1.1\" 404 ‹n›",
	"stripe.error.CardError: Your card was declined. number=‹c› request ‹uuid›",
	"charge failed for card ‹c› (attempt 3 of 5)",
	"PaymentException: invalid PAN ‹c›\n\tat com.acme.billing.Charge.run(Charge.java:‹n›)",
	"row 17: expected 12 columns, got 13: \"‹name›\",\"‹c›\",\"2024-03-01\"",
	"SEPA transfer to ‹b› rejected: AC04",
	"iban=‹b› amount=120.50 EUR ref ‹hex›",
	"payout ‹uuid› failed: beneficiary account ‹b› is closed",
	"KYC mismatch: SSN ‹s› does not match name",
	"applicant ssn=‹s› score 712",
	"W-2 import: employee ‹s› listed twice at line ‹n›",
	"connect to [‹i›]:5432 failed: Connection refused (attempt ‹n›)",
	"dial tcp ‹i4›:443: i/o timeout",
	"peer ‹i› closed the stream after ‹ms›",
	"‹i4› - - [10/May/2024:13:55:36 +0000] \"GET /jobs/‹n› HTTP/1.1\" 200 2326",
	"client_ip=‹i›, trace=‹hex›",
	"java.net.ConnectException: Connection refused: db01.internal/‹i4›:5432",
	"could not connect to server: postgresql://‹u›@db.internal:5432/runs?sslmode=require",
	"redis.exceptions.ConnectionError: Error 111 connecting to redis://‹u›@cache-0:6379/0.",
	"fatal: unable to access 'https://‹u›@git.example.com/team/repo.git/': The requested URL returned error: 403",
	"amqp://‹u›@mq.internal:5671/%2F closed: ACCESS_REFUSED",
	"mongodb+srv://‹u›@cluster0.abcde.mongodb.net/?retryWrites=true",
}

var secretFrames = []string{
	"pull failed with token ‹x›: unauthorized",
	"env dump: PATH=/usr/bin API=‹x› HOME=/root",
	"config: {\"key\": \"‹x›\", \"region\": \"eu-west-1\"}",
	"curl: (22) 401 using ‹x›",
	"leaked in log: ‹x›.",
	"step 4 exported ‹x›\nexit status 1",
	"Retrying with credential '‹x›' in 5s",
}

// cleanFrames hold nothing of anybody, and much that looks like it.
var cleanFrames = []string{
	"run ‹uuid› finished in ‹ms› after ‹n› steps",
	"digest sha256:‹sha› verified, size ‹n› bytes",
	"commit ‹sha1› by ci on branch release/‹ver›",
	"trace_id=‹hex› span_id=‹hex16› parent=‹hex16›",
	"epoch ‹epoch› offset ‹big› lag ‹n›",
	"ts=‹epochms› level=warn msg=\"slow query\" took=‹ms›",
	"ts=‹epochns› worker=‹n›",
	"upgraded ‹name› from ‹ver› to ‹ver›",
	"\tat com.acme.flow.Runner.execute(Runner.java:‹n›)\n\tat java.base/java.lang.Thread.run(Thread.java:833)",
	"  File \"/app/steps/load.py\", line ‹n›, in load\n    raise ValueError(f\"bad row {i}\")",
	"order ‹order› shipped as parcel ‹order›",
	"invoice 2024-‹order› is open, ticket #‹n›",
	"link eth0 ‹mac› is up at 10000 Mbps",
	"see https://docs.example.com/guide/‹name›?page=‹n›&lang=en#errors",
	"GET https://api.example.com/v2/runs/‹uuid›/steps 200 in ‹ms›",
	"goroutine ‹n› [running]:\nmain.(*Runner).step(0xc000‹hex8›, {0x‹hex8›, 0x2a})\n\t/src/runner.go:‹n› +0x1d4",
	"container ‹sha› exited with code 137 (OOMKilled), memory 2147483648",
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0.0.0 Safari/537.36",
	"10 20 30 40 50 rows per partition, total ‹big›",
	"pool stats: 12/100 busy, 3.5% idle, 1.25 GB of 8 GB, p99 ‹ms›",
	"2024-03-01T12:34:56.789Z INFO step ‹n› of 12 done",
	"kafka partition 3 offset ‹big› committed by group loader-‹n›",
	"image registry.example.com/team/app:‹ver› pulled, layers 7",
	"job ‹name›-‹n›-‹hex8› state PENDING -> RUNNING",
	"password reset mail queued; token refresh ok; secret rotation every 30 days",
	"std::vector<int>::push_back at 0x7f‹hex8›",
	"npm WARN deprecated lodash@4.17.20: use lodash@4.17.21",
	"arn:aws:s3:::bucket-‹hex8›/runs/‹uuid›.json",
	"checksum ‹big› != ‹big›",
	"phase 3: 100-200 of 5000-6000 at 12:30:45, eta 00:01:30",
}

// Logs makes lines with labels; of secrets, if asked.
func (m *Maker) Logs(n int, secrets bool) []Sample {
	all := make([]Sample, n)
	for i := range all {
		list := frames
		if secrets {
			list = secretFrames
		}
		all[i] = m.fill(m.pick(list...))
	}
	return all
}

// Clean makes lines in which nothing has to be masked.
func (m *Maker) Clean(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = m.fill(m.pick(cleanFrames...)).Text
	}
	return all
}

func (m *Maker) fill(frame string) Sample {
	var s Sample
	for {
		before, rest, ok := strings.Cut(frame, "‹")
		s.Text += before
		if !ok {
			return s
		}
		name, after, _ := strings.Cut(rest, "›")
		typ, value := m.value(name)
		if typ != "" {
			at := utf8.RuneCountInString(s.Text)
			s.Spans = append(s.Spans, Span{typ, at, at + utf8.RuneCountInString(value)})
		}
		s.Text += value
		frame = after
	}
}

func (m *Maker) value(name string) (typ, value string) {
	switch name {
	case "e":
		return "EMAIL_ADDRESS", m.Email()
	case "c":
		return "CREDIT_CARD", m.Card()
	case "b":
		return "IBAN_CODE", m.IBAN()
	case "s":
		return "US_SSN", m.SSN()
	case "i":
		return "IP_ADDRESS", m.IP()
	case "i4":
		return "IP_ADDRESS", fmt.Sprintf("10.%d.%d.%d", m.r.IntN(256), m.r.IntN(256), m.r.IntN(256))
	case "u":
		return "URL_CREDENTIALS", m.Userinfo()
	case "x":
		return m.Secret()
	case "name":
		return "", m.pick("extract", "load-users", "train_model", "notify", "deduplicate", "resize")
	case "n":
		return "", fmt.Sprint(m.r.IntN(5000))
	case "ms":
		return "", fmt.Sprintf("%d.%dms", m.r.IntN(90000), m.r.IntN(10))
	case "uuid":
		h := m.of(hexes, 32)
		return "", h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
	case "sha":
		return "", m.of(hexes, 64)
	case "sha1":
		return "", m.of(hexes, 40)
	case "hex":
		return "", m.of(hexes, 32)
	case "hex16":
		return "", m.of(hexes, 16)
	case "hex8":
		return "", m.of(hexes, 8)
	case "epoch":
		return "", fmt.Sprint(1600000000 + m.r.IntN(200000000))
	case "epochms":
		return "", fmt.Sprint(1600000000000 + m.r.Int64N(200000000000))
	case "epochns":
		return "", fmt.Sprint(1600000000000000000 + m.r.Int64N(200000000000000000))
	case "big":
		return "", m.of("123456789", 1) + m.of(digits, 6+m.r.IntN(13))
	case "ver":
		return "", fmt.Sprintf("%s%d.%d.%d%s", m.pick("v", ""), m.r.IntN(20), m.r.IntN(40), m.r.IntN(100), m.pick("", "-rc1", ".4", "+build.7"))
	case "order":
		return "", m.of("123456789", 1) + m.of(digits, 7+m.r.IntN(9))
	case "mac":
		h := m.of(hexes, 12)
		return "", h[:2] + ":" + h[2:4] + ":" + h[4:6] + ":" + h[6:8] + ":" + h[8:10] + ":" + h[10:]
	}
	panic("masktest: no value " + name)
}

// Line is a workflow run as a JSON line, with a message in it.
func (m *Maker) Line(message string) string {
	_, id := m.value("uuid")
	_, ms := m.value("n")
	return fmt.Sprintf(`{"id":"%s","tenant_id":"acme","workflow_name":"%s","workflow_version":"%d.%d.%d","status":"%s","started_at":"2024-03-01T12:%02d:%02d.%03dZ",`+
		`"completed_at":"2024-03-01T13:%02d:%02d.%03dZ","duration_ms":%s,"steps_completed":%d,"steps_total":12,"error_message":%s,"metadata":{"kind":"task","machine":"compute-%d",`+
		`"avgCPU":%d.%d,"readBytes":%d,"writtenBytes":%d,"image":"registry.example.com/team/app:1.%d.0"},"created_at":"2024-03-01T12:00:00.000Z"}`,
		id, m.pick("extract", "load-users", "train_model", "notify"), m.r.IntN(5), m.r.IntN(20), m.r.IntN(50), m.pick("failed", "completed", "cancelled"),
		m.r.IntN(60), m.r.IntN(60), m.r.IntN(1000), m.r.IntN(60), m.r.IntN(60), m.r.IntN(1000), ms, m.r.IntN(12), jsonString(message), m.r.IntN(40),
		m.r.IntN(100), m.r.IntN(1000), m.r.Int64N(1<<40), m.r.Int64N(1<<40), m.r.IntN(60))
}
