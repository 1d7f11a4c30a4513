package mask

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"hash/crc32"
)

// A secretRule is a token with a prefix its issuer documents.
type secretRule struct {
	prefix   string
	rest     *[256]bool // the characters behind it
	min, max int        // how many of them; unbounded ones take all there are
	typ      Type
	name     string
	check    func(text []byte) bool
}

const unbounded = 1 << 30

func set(ranges string) *[256]bool {
	t := new([256]bool)
	for i := 0; i+1 < len(ranges); i += 2 {
		for c := int(ranges[i]); c <= int(ranges[i+1]); c++ {
			t[c] = true
		}
	}
	return t
}

var (
	alnum     = set("azAZ09")
	hexSet    = set("09afAF")
	base32Set = set("AZ27")
	urlSafe   = set("azAZ09--__")
	dotted    = set("azAZ09--__..")
	base64Ch  = set("azAZ09++//==")
	pathLike  = set("azAZ09//__--")
)

// secretRules: the sources are the issuers' own pages on the format of their
// tokens, and GitHub's list of supported secret-scanning patterns.
var secretRules = []secretRule{
	{"AKIA", base32Set, 16, 16, Secret, "aws-access-key", nil}, // IAM User Guide, unique identifiers
	{"ASIA", base32Set, 16, 16, Secret, "aws-access-key", nil},
	{"ABIA", base32Set, 16, 16, Secret, "aws-access-key", nil},
	{"ACCA", base32Set, 16, 16, Secret, "aws-access-key", nil},
	{"FwoGZXIvYXdz", base64Ch, 80, unbounded, Token, "aws-session-token", nil},
	{"IQoJb3JpZ2lu", base64Ch, 80, unbounded, Token, "aws-session-token", nil},
	{"AIza", urlSafe, 35, 35, Secret, "gcp-api-key", nil},
	{"GOCSPX-", urlSafe, 28, 28, Secret, "gcp-client-secret", nil},
	{"ya29.", urlSafe, 20, unbounded, Token, "gcp-access-token", nil},
	{"ghp_", alnum, 36, 36, Token, "github-token", nil}, // GitHub's blog, "Behind GitHub's new authentication token formats"
	{"gho_", alnum, 36, 36, Token, "github-token", nil},
	{"ghu_", alnum, 36, 36, Token, "github-token", nil},
	{"ghs_", alnum, 36, 36, Token, "github-token", nil},
	{"ghr_", alnum, 36, 76, Token, "github-token", nil},
	{"github_pat_", urlSafe, 82, 82, Token, "github-fine-grained-token", nil},
	{"glpat-", dotted, 20, 60, Token, "gitlab-token", nil},
	{"gldt-", urlSafe, 20, 60, Token, "gitlab-deploy-token", nil},
	{"glrt-", dotted, 20, 60, Token, "gitlab-runner-token", nil},
	{"glptt-", hexSet, 40, 40, Token, "gitlab-trigger-token", nil},
	{"glcbt-", urlSafe, 20, 60, Token, "gitlab-job-token", nil},
	{"glsoat-", urlSafe, 20, 60, Token, "gitlab-scim-token", nil},
	{"xoxb-", urlSafe, 20, 255, Token, "slack-token", nil},
	{"xoxp-", urlSafe, 20, 255, Token, "slack-token", nil},
	{"xoxa-", urlSafe, 20, 255, Token, "slack-token", nil},
	{"xoxr-", urlSafe, 20, 255, Token, "slack-token", nil},
	{"xoxs-", urlSafe, 20, 255, Token, "slack-token", nil},
	{"xoxe-", urlSafe, 20, 255, Token, "slack-token", nil},
	{"xoxe.", dotted, 20, 255, Token, "slack-token", nil},
	{"xapp-", urlSafe, 20, 255, Token, "slack-app-token", nil},
	{"hooks.slack.com/services/", pathLike, 30, 120, Secret, "slack-webhook", nil},
	{"hooks.slack.com/workflows/", pathLike, 30, 120, Secret, "slack-webhook", nil},
	{"discord.com/api/webhooks/", pathLike, 60, 120, Secret, "discord-webhook", nil},
	{"discordapp.com/api/webhooks/", pathLike, 60, 120, Secret, "discord-webhook", nil},
	{"sk_live_", alnum, 16, 247, Secret, "stripe-key", nil},
	{"sk_test_", alnum, 16, 247, Secret, "stripe-key", nil},
	{"rk_live_", alnum, 16, 247, Secret, "stripe-key", nil},
	{"rk_test_", alnum, 16, 247, Secret, "stripe-key", nil},
	{"whsec_", base64Ch, 24, 88, Secret, "stripe-webhook-secret", nil},
	{"npm_", alnum, 36, 36, Token, "npm-token", nil},
	{"pypi-", urlSafe, 80, unbounded, Token, "pypi-token", nil},
	{"SG.", dotted, 66, 66, Secret, "sendgrid-key", func(b []byte) bool { return b[25] == '.' }},
	{"key-", hexSet, 32, 32, Secret, "mailgun-key", nil},
	{"SK", hexSet, 32, 32, Secret, "twilio-key", nil},
	{"xkeysib-", urlSafe, 81, 81, Secret, "brevo-key", func(b []byte) bool { return b[72] == '-' }},
	{"xsmtpsib-", urlSafe, 81, 81, Secret, "brevo-key", func(b []byte) bool { return b[73] == '-' }},
	{"dop_v1_", hexSet, 64, 64, Token, "digitalocean-token", nil},
	{"doo_v1_", hexSet, 64, 64, Token, "digitalocean-token", nil},
	{"dor_v1_", hexSet, 64, 64, Token, "digitalocean-token", nil},
	{"hvs.", urlSafe, 24, 300, Token, "vault-token", nil},
	{"hvb.", urlSafe, 24, 300, Token, "vault-batch-token", nil},
	{"hvr.", urlSafe, 24, 300, Token, "vault-recovery-token", nil},
	{"HRKU-", urlSafe, 36, 64, Token, "heroku-key", nil},
	{"sk-ant-", urlSafe, 32, 200, Secret, "anthropic-key", nil},
	{"sk-proj-", urlSafe, 32, 200, Secret, "openai-key", nil},
	{"sk-svcacct-", urlSafe, 32, 200, Secret, "openai-key", nil},
	{"sk-", alnum, 48, 48, Secret, "openai-key", nil},
	{"hf_", alnum, 34, 37, Token, "hugging-face-token", nil},
	{"shpat_", hexSet, 32, 32, Token, "shopify-token", nil},
	{"shpca_", hexSet, 32, 32, Token, "shopify-token", nil},
	{"shppa_", hexSet, 32, 32, Token, "shopify-token", nil},
	{"shpss_", hexSet, 32, 32, Secret, "shopify-secret", nil},
	{"sq0atp-", urlSafe, 22, 22, Token, "square-token", nil},
	{"sq0csp-", urlSafe, 43, 43, Secret, "square-secret", nil},
	{"EAAA", urlSafe, 60, 60, Token, "square-token", nil},
	{"dapi", hexSet, 32, 34, Token, "databricks-token", nil},
	{"lin_api_", alnum, 40, 40, Secret, "linear-key", nil},
	{"ntn_", alnum, 43, 46, Token, "notion-token", nil},
	{"secret_", alnum, 43, 43, Token, "notion-token", nil},
	{"ATATT3", set("azAZ09--__=="), 60, 250, Token, "atlassian-token", nil},
	{"ATCTT3", set("azAZ09--__=="), 60, 250, Token, "atlassian-token", nil},
	{"AGE-SECRET-KEY-1", set("AZ09"), 58, 58, PrivateKey, "age-key", nil},
	{"dp.pt.", alnum, 40, 44, Token, "doppler-token", nil},
	{"dp.st.", dotted, 40, 60, Token, "doppler-token", nil},
	{"fo1_", urlSafe, 43, 43, Token, "fly-token", nil},
	{"fm1_", base64Ch, 80, unbounded, Token, "fly-token", nil},
	{"fm2_", base64Ch, 80, unbounded, Token, "fly-token", nil},
	{"glc_", base64Ch, 32, 400, Token, "grafana-token", nil},
	{"glsa_", urlSafe, 41, 41, Token, "grafana-token", nil},
	{"NRAK-", set("AZ09"), 27, 27, Secret, "new-relic-key", nil},
	{"NRAL-", set("azAZ09"), 27, 42, Secret, "new-relic-key", nil},
	{"dt0c01.", dotted, 89, 89, Token, "dynatrace-token", nil},
	{"PMAK-", set("09af--"), 59, 59, Secret, "postman-key", nil},
	{"pul-", hexSet, 40, 40, Token, "pulumi-token", nil},
	{"rubygems_", hexSet, 48, 48, Secret, "rubygems-key", nil},
	{"cio", alnum, 32, 32, Token, "crates-token", mixedCase},
	{"dckr_pat_", urlSafe, 27, 27, Token, "docker-token", nil},
	{"dckr_oat_", urlSafe, 27, 36, Token, "docker-token", nil},
	{"pscale_tkn_", dotted, 32, 64, Token, "planetscale-token", nil},
	{"pscale_pw_", dotted, 32, 64, Password, "planetscale-password", nil},
	{"sntrys_", set("azAZ09++//==__"), 40, 400, Token, "sentry-token", nil},
	{"sntryu_", hexSet, 64, 64, Token, "sentry-token", nil},
	{"sbp_", hexSet, 40, 40, Token, "supabase-token", nil},
	{"figd_", urlSafe, 40, 60, Token, "figma-token", nil},
	{"pat", dotted, 79, 79, Token, "airtable-token", func(b []byte) bool { return b[17] == '.' }},
	{"tskey-", urlSafe, 20, 80, Secret, "tailscale-key", nil},
	{"ops_eyJ", base64Ch, 100, unbounded, Token, "1password-token", nil},
	{"phx_", alnum, 32, 64, Secret, "posthog-key", nil},
	{"sgp_", set("09afAF__azAZ"), 40, 64, Token, "sourcegraph-token", nil},
	{"bkua_", hexSet, 40, 40, Token, "buildkite-token", nil},
	{"CCIPAT_", set("azAZ09__"), 40, 70, Token, "circleci-token", nil},
	{"v^1.1#", dotted, 40, unbounded, Token, "ebay-token", nil},
	{"ind_", set("azAZ09__"), 40, 120, Token, "indelible-key", nil},
	{"eyJ", dotted, 20, unbounded, JWT, "jwt", isJWT},
}

// secretStart marks the two letters a prefix begins with, and secretsBy lists
// the rules of each.
var secretStart, secretsBy = func() (start *[1 << 16]bool, by map[uint16][]secretRule) {
	start, by = new([1 << 16]bool), make(map[uint16][]secretRule)
	for _, r := range secretRules {
		k := uint16(r.prefix[0])<<8 | uint16(r.prefix[1])
		start[k] = true
		by[k] = append(by[k], r)
	}
	for _, w := range []string{"Be", "be", "BE", "Ba", "ba"} {
		start[uint16(w[0])<<8|uint16(w[1])] = true
	}
	return start, by
}()

// secret looks for a token with a known prefix, or a Bearer's or Basic's. It
// returns where it ends, or 0.
func (s *Scanner) secret(b []byte, start, end int) int {
	for i := range secretsBy[uint16(b[start])<<8|uint16(b[start+1])] {
		r := &secretsBy[uint16(b[start])<<8|uint16(b[start+1])][i]
		if len(b)-start < len(r.prefix)+r.min || string(b[start:start+len(r.prefix)]) != r.prefix {
			continue
		}
		from := start + len(r.prefix)
		if r.typ == JWT && !isJWTHead(b[start:]) {
			continue
		}
		to := from
		for to < len(b) && to-from <= r.max && r.rest[b[to]] {
			to++
		}
		for to > from && (b[to-1] == '.' || b[to-1] == '-') {
			to-- // the end of a sentence
		}
		if to-from < r.min || to-from > r.max || r.rest != base64Ch && classAt(b, to)&(digit|letter) != 0 || r.check != nil && !r.check(b[start:to]) {
			continue
		}
		how := Validated
		if r.name == "github-token" && !githubCRC(b[start:to]) {
			how = Guess // masked all the same: to miss one that works is worse
		}
		s.add(r.typ, r.name, how, start, to)
		return to
	}
	if c := b[start] | 0x20; c == 'b' && at(b, end) == ' ' {
		switch lowered(b[start:end]) {
		case "bearer", "basic":
			return s.scheme(b, end+1, lowered(b[start:end]) == "basic")
		}
	}
	return 0
}

// scheme looks at the credentials behind Bearer (RFC 6750 §2.1) or Basic (RFC 7617).
func (s *Scanner) scheme(b []byte, start int, basic bool) int {
	end, kind := start, uint8(0)
	for end < len(b) && (class[b[end]]&(digit|letter|under) != 0 || b[end] == '-' || b[end] == '.' || b[end] == '~' || b[end] == '+' || b[end] == '/' || b[end] == '=') {
		kind |= class[b[end]]
		end++
	}
	for end > start && b[end-1] == '.' {
		end--
	}
	text := b[start:end]
	if basic {
		plain, err := base64.StdEncoding.DecodeString(string(text[:min(len(text), 4096)]))
		if len(text) < 8 || err != nil || !bytes.Contains(plain, []byte(":")) {
			return 0
		}
	} else if len(text) < 8 || kind&digit == 0 && len(text) < 20 || len(text) < 16 && kind&letter == 0 {
		return 0
	}
	s.add(Token, "authorization", Validated, start, end)
	return end
}

func mixedCase(b []byte) bool {
	var kind uint8
	for _, c := range b[3:] {
		kind |= class[c]
	}
	return kind == digit|upper|lower
}

// isJWT: there are three parts, or five when encrypted (RFC 7515 §7.1, RFC 7516 §7.1).
func isJWT(b []byte) bool {
	n := bytes.Count(b, []byte("."))
	return n == 2 || n == 4
}

// isJWTHead decodes the first part: a JSON object that names an algorithm (RFC 7515 §4.1.1).
func isJWTHead(b []byte) bool {
	head, _, ok := bytes.Cut(b[:min(len(b), 2048)], []byte("."))
	if !ok || len(head) < 12 {
		return false
	}
	plain, err := base64.RawURLEncoding.DecodeString(string(head))
	if err != nil {
		return false
	}
	var h struct {
		Alg string `json:"alg"`
	}
	return json.Unmarshal(plain, &h) == nil && h.Alg != ""
}

// githubCRC checks the last six characters, the CRC-32 of those before in base 62.
func githubCRC(b []byte) bool {
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	body, sum := b[4:len(b)-6], b[len(b)-6:]
	crc := crc32.ChecksumIEEE(body)
	for i := 5; i >= 0; i-- {
		if sum[i] != base62[crc%62] {
			return false
		}
		crc /= 62
	}
	return true
}

// telegram: a bot's token is its number, a colon and 35 characters.
func (s *Scanner) telegram(b []byte, start, colon int) int {
	end := colon + 1
	for end < len(b) && urlSafe[b[end]] && end-colon < 40 {
		end++
	}
	if end-colon-1 != 35 || string(b[colon+1:colon+3]) != "AA" {
		return 0
	}
	s.add(Token, "telegram-token", Validated, start, end)
	return end
}

// mailchimp: a key is 32 hexadecimal digits and the name of a data center, -us14.
func (s *Scanner) mailchimp(b []byte, start, dash int) bool {
	for _, c := range b[start:dash] {
		if !isHex(c) {
			return false
		}
	}
	end := dash + 3
	for end < len(b) && class[b[end]] == digit && end-dash < 6 {
		end++
	}
	if end < dash+4 || string(b[dash:dash+3]) != "-us" || classAt(b, end)&word != 0 {
		return false
	}
	s.add(Secret, "mailchimp-key", Validated, start, end)
	return true
}

const maxPEM = 64 << 10

// dashes looks at two dashes: a private key in PEM (RFC 7468), or an option of
// a command that is given a secret.
func (s *Scanner) dashes(b []byte, start int) int {
	end := start
	for end < len(b) && b[end] == '-' {
		end++
	}
	rest := b[end:]
	if end-start == 5 && bytes.HasPrefix(rest, []byte("BEGIN ")) {
		label, _, ok := bytes.Cut(rest[6:min(len(rest), 64)], []byte("-----"))
		if !ok || !bytes.Contains(label, []byte("PRIVATE KEY")) {
			return end
		}
		// Without its end, a key goes on as long as it looks like one.
		limit := b[:min(len(b), start+maxPEM)]
		to := end + 6 + len(label) + 5
		if s.pemEnd < to { // every byte is searched once
			s.pemEnd = len(b)
			if i := bytes.Index(b[to:], []byte("-----END ")); i >= 0 {
				s.pemEnd = to + i
			}
		}
		if s.pemEnd < len(limit) {
			to = min(len(limit), s.pemEnd+9)
			if j := bytes.Index(limit[to:min(len(limit), to+64)], []byte("-----")); j >= 0 {
				to += j + 5
			}
		} else {
			for to < len(limit) && (base64Ch[limit[to]] || limit[to] == '\n' || limit[to] == '\r' || limit[to] == '\\' || limit[to] == ' ') {
				to++
			}
		}
		s.add(PrivateKey, "pem", Validated, start, to)
		return to
	}
	if end-start != 2 {
		return end
	}
	key := end
	for key < len(b) && key-end < 40 && (class[b[key]]&(digit|letter|under) != 0 || b[key] == '-') {
		key++
	}
	if at(b, key) == ' ' && at(b, key+1) != '-' {
		if t := secretName(b[end:key]); t != "" {
			return s.assigned(b, key+1, t, "option", assignedLoose)
		}
	}
	return end
}
