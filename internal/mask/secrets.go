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
	{"v^1.1#", set("azAZ09--__..##^^++//=="), 40, unbounded, Token, "ebay-token", nil},
	{"glagent-", urlSafe, 40, 64, Token, "gitlab-agent-token", nil},
	{"glft-", urlSafe, 20, 64, Token, "gitlab-feed-token", nil},
	{"glimt-", urlSafe, 20, 64, Token, "gitlab-mail-token", nil},
	{"gloas-", hexSet, 64, 64, Secret, "gitlab-oauth-secret", nil},
	{"GR1348941", urlSafe, 20, 20, Token, "gitlab-runner-token", nil},
	{"gsk_", alnum, 52, 52, Secret, "groq-key", nil},
	{"xai-", alnum, 80, 80, Secret, "xai-key", nil},
	{"r8_", alnum, 37, 40, Token, "replicate-token", nil},
	{"pplx-", alnum, 48, 48, Secret, "perplexity-key", nil},
	{"sk-or-v1-", hexSet, 64, 64, Secret, "openrouter-key", nil},
	{"sk-admin-", urlSafe, 32, 200, Secret, "openai-key", nil},
	{"sk-lf-", set("09af--"), 36, 36, Secret, "langfuse-key", nil},
	{"lsv2_pt_", set("09af__"), 43, 43, Token, "langsmith-token", nil},
	{"lsv2_sk_", set("09af__"), 43, 43, Token, "langsmith-token", nil},
	{"pcsk_", set("azAZ09__"), 60, 100, Secret, "pinecone-key", nil},
	{"sk_", hexSet, 48, 48, Secret, "elevenlabs-key", nil},
	{"ABSK", base64Ch, 100, unbounded, Secret, "aws-bedrock-key", nil},
	{"bedrock-api-key-", base64Ch, 40, unbounded, Secret, "aws-bedrock-key", nil},
	{"amzn.mws.", set("09af--"), 36, 36, Token, "aws-mws-token", nil},
	{"LTAI", alnum, 12, 20, Secret, "alibaba-key", mixedCase},
	{"AKID", alnum, 32, 32, Secret, "tencent-key", mixedCase},
	{"AQVN", urlSafe, 35, 38, Secret, "yandex-key", nil},
	{"pnu_", alnum, 36, 36, Secret, "prefect-key", nil},
	{"pnb_", alnum, 36, 36, Secret, "prefect-key", nil},
	{"tfp_", dotted, 40, 60, Token, "typeform-token", nil},
	{"rdme_", set("az09"), 70, 70, Secret, "readme-key", nil},
	{"fio-u-", set("azAZ09--__=="), 64, 64, Token, "frameio-token", nil},
	{"duffel_test_", set("azAZ09--__=="), 43, 43, Token, "duffel-token", nil},
	{"duffel_live_", set("azAZ09--__=="), 43, 43, Token, "duffel-token", nil},
	{"EZAK", alnum, 54, 54, Secret, "easypost-key", nil},
	{"EZTK", alnum, 54, 54, Secret, "easypost-key", nil},
	{"shippo_live_", hexSet, 40, 40, Token, "shippo-token", nil},
	{"shippo_test_", hexSet, 40, 40, Token, "shippo-token", nil},
	{"FLWSECK-", set("azAZ09--"), 32, 64, Secret, "flutterwave-key", nil},
	{"FLWSECK_TEST-", set("azAZ09--"), 12, 64, Secret, "flutterwave-key", nil},
	{"access-production-", set("09af--"), 36, 36, Token, "plaid-token", nil},
	{"access-development-", set("09af--"), 36, 36, Token, "plaid-token", nil},
	{"access-sandbox-", set("09af--"), 36, 36, Token, "plaid-token", nil},
	{"access_token$production$", set("azAZ09$$"), 40, 60, Token, "paypal-token", nil},
	{"aio_", alnum, 28, 28, Secret, "adafruit-key", nil},
	{"CLOJARS_", alnum, 60, 60, Token, "clojars-token", nil},
	{"CFPAT-", urlSafe, 43, 43, Token, "contentful-token", nil},
	{"AKCp", alnum, 69, 69, Secret, "jfrog-key", nil},
	{"cmVmdGtuOj", alnum, 54, 64, Token, "jfrog-token", nil},
	{"sqp_", hexSet, 40, 40, Token, "sonarqube-token", nil},
	{"squ_", hexSet, 40, 40, Token, "sonarqube-token", nil},
	{"sqa_", hexSet, 40, 40, Token, "sonarqube-token", nil},
	{"ico-", alnum, 32, 32, Secret, "infracost-key", nil},
	{"tk-us-", urlSafe, 48, 48, Token, "scalingo-token", nil},
	{"AAAAAAAAAAAAAAAAAAAAAA", set("azAZ09%%"), 80, 100, Token, "twitter-token", nil},
	{"EAAC", alnum, 100, unbounded, Token, "facebook-token", nil},
	{"EAAM", alnum, 100, unbounded, Token, "facebook-token", nil},
	{"IGQV", urlSafe, 100, unbounded, Token, "instagram-token", nil},
	{"v1.0-", set("09af--"), 171, 171, Secret, "cloudflare-origin-key", nil},
	{"nfp_", alnum, 36, 40, Token, "netlify-token", nil},
	{"napi_", alnum, 48, 64, Secret, "neon-key", nil},
	{"sb_secret_", urlSafe, 30, 50, Secret, "supabase-key", nil},
	{"mdb_sa_sk_", urlSafe, 40, 40, Secret, "mongodb-atlas-secret", nil},
	{"NRII-", urlSafe, 32, 32, Secret, "new-relic-key", nil},
	{"NRJS-", hexSet, 19, 19, Secret, "new-relic-key", nil},
	{"hcaik_", alnum, 58, 58, Secret, "honeycomb-key", nil},
	{"cflt", base64Ch, 60, 60, Secret, "confluent-secret", nil},
	{"CCIPRJ_", set("azAZ09__"), 40, 70, Token, "circleci-token", nil},
	{"oy2", set("az09"), 43, 43, Secret, "nuget-key", nil},
	{"lin_oauth_", hexSet, 64, 64, Token, "linear-token", nil},
	{"ATBB", alnum, 32, 36, Token, "bitbucket-token", nil},
	{"ATTA", hexSet, 72, 72, Token, "trello-token", nil},
	{"sl.", urlSafe, 130, unbounded, Token, "dropbox-token", nil},
	{"pat-na1-", set("09af--"), 36, 36, Token, "hubspot-token", nil},
	{"pat-eu1-", set("09af--"), 36, 36, Token, "hubspot-token", nil},
	{"essu_", base64Ch, 40, 200, Token, "elastic-token", nil},
	{"dbtc_", urlSafe, 30, 80, Token, "dbt-token", nil},
	{"dbtu_", urlSafe, 30, 80, Token, "dbt-token", nil},
	{"dsapi", hexSet, 32, 34, Token, "databricks-token", nil},
	{"dose", hexSet, 32, 34, Secret, "databricks-secret", nil},
	{"ck_", hexSet, 40, 40, Secret, "woocommerce-key", nil},
	{"cs_", hexSet, 40, 40, Secret, "woocommerce-secret", nil},
	{"hooks.zapier.com/hooks/catch/", pathLike, 10, 80, Secret, "zapier-webhook", nil},
	{"ind_", set("azAZ09__"), 40, 120, Token, "indelible-key", nil},
	{"eyJ", dotted, 20, unbounded, JWT, "jwt", isJWT},
}

// secretStart has for the two letters a prefix begins with the place of its
// rules in secretLists; 0 is none.
var secretStart, secretLists = func() (start *[1 << 16]uint8, lists [][]secretRule) {
	start, lists = new([1 << 16]uint8), make([][]secretRule, 1)
	list := func(prefix string) *[]secretRule {
		k := uint16(prefix[0])<<8 | uint16(prefix[1])
		if start[k] == 0 {
			start[k] = uint8(len(lists))
			lists = append(lists, nil)
		}
		return &lists[start[k]]
	}
	for _, r := range secretRules {
		l := list(r.prefix)
		*l = append(*l, r)
	}
	for _, w := range []string{"Be", "be", "BE", "Ba", "ba", "pa", "Pa", "PA", "ID", "id"} { // Bearer, Basic, and for toldPassword
		list(w)
	}
	return start, lists
}()

// secret looks for a token with a known prefix, or a Bearer's or Basic's. It
// returns where it ends, or 0.
func (s *Scanner) secret(b []byte, start, end int) int {
	list := secretLists[secretStart[uint16(b[start])<<8|uint16(b[start+1])]]
	for i := range list {
		r := &list[i]
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
	return s.toldPassword(b, start, end)
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
	if i := bytes.IndexByte(text, '='); i >= 0 && len(bytes.TrimRight(text[i:], "=")) > 0 || opensParameter(b, start, end) {
		return 0 // name=value: token68 has = at its end only (RFC 9110 §11.2)
	}
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

// opensParameter reports whether the text is the name of a parameter of a
// challenge and its =, with the value in quotation marks behind it: realm="…"
// (RFC 9110 §11.6.1). The = at the end of credentials has none of these before it.
func opensParameter(b []byte, start, end int) bool {
	if end-start < 2 || b[end-1] != '=' || at(b, end) != '"' {
		return false
	}
	switch lowered(b[start : end-1]) {
	case "realm", "charset", "scope", "error", "algorithm", "domain", "nonce", "opaque", "qop", "stale":
		return true
	}
	return false
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

// discord: a bot's token is its number in base64, six characters of a time, and
// a sum of at least 27.
func (s *Scanner) discord(b []byte, start, end int) int {
	if n := end - start; n < 24 || n > 28 || b[start] != 'M' && b[start] != 'N' && b[start] != 'O' {
		return 0
	}
	to := end + 8
	for to < len(b) && urlSafe[b[to]] && to-end < 60 {
		to++
	}
	if to-end < 35 || to-end > 46 || b[end+7] != '.' {
		return 0
	}
	for _, c := range b[end+1 : end+7] {
		if !urlSafe[c] {
			return 0
		}
	}
	id, err := base64.RawStdEncoding.DecodeString(string(b[start:end]))
	if err != nil || !allDigits(id) {
		return 0
	}
	s.add(Token, "discord-token", Validated, start, to)
	return to
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
