package mask

import (
	"bytes"
	"strings"
)

// How much a value must look like a secret to be one.
type assignedHow uint8

const (
	assignedSure  assignedHow = iota // key=value, "key":"value": whatever it is
	assignedLoose                    // key: value, --key value: prose looks like that, too
)

// assignment looks at = or : behind the name of a secret: password=…, api_key: …,
// half-escaped JSON (\"token\":\"…\"), query values (?access_token=…).
func (s *Scanner) assignment(b []byte, i int) int {
	end := i
	for end > 0 && i-end < 2 && b[end-1] == ' ' {
		end--
	}
	quoted := end > 0 && (b[end-1] == '"' || b[end-1] == '\'')
	if quoted {
		end--
		for end > 0 && i-end < 6 && b[end-1] == '\\' {
			end--
		}
	}
	if end == 0 || class[b[end-1]]&(letter|digit|high) == 0 {
		return i + 1
	}
	start := end
	for start > 0 && end-start < 64 && (class[b[start-1]]&(letter|digit|under) != 0 || b[start-1] == '-' || b[start-1] == '.') {
		start--
	}
	if b[i] == ':' && at(b, start-1) == '{' && at(b, start-2) == '$' { // ${NAME:-default} of a shell
		if at(b, i+1) != '-' && at(b, i+1) != '=' {
			return i + 1
		}
		i++
	}
	t := secretName(b[start:end])
	if t == "" && end-start == 5 && lowered(b[start:end]) == "value" {
		t = nameBeside(b, start)
	}
	if t == "" {
		t = foreignPassword(b[:end])
	}
	if t == "" && b[i] == '=' && !quoted && (at(b, start-1) == '?' || at(b, start-1) == '&') && queryKeys[lowered(b[start:end])] {
		return s.queryKey(b, i+1)
	}
	if t == "" && b[i] == '=' && isSessionID(b[start:end]) {
		if to := bareEnd(b, i+1); disordered(b[i+1 : to]) {
			s.add(Token, "assignment", Context, i+1, to)
			return to
		}
	}
	if t == "" {
		return s.enteredPassword(b, start, i)
	}
	if t == Token && !quoted && isCookie(b[start:end]) {
		if to := s.cookies(b, i+1); to > i+1 {
			return to
		}
	}
	rule, how := "assignment", assignedSure
	switch p := at(b, start-1); {
	case p == ':' && b[i] == ':': // arn:aws:secretsmanager:eu-west-1:123456789012:secret:name
		return i + 1
	case b[i] == '=' && (p == '?' || p == '&'):
		t, rule = Login, "url-query"
	case b[i] == ':' && !quoted && at(b, i+1) == ' ':
		how = assignedLoose
	}
	if b[i] == ':' && at(b, i+1) == '=' || b[i] == '=' && (at(b, i+1) == '=' || at(b, i+1) == '>') { // := == =>
		return s.assigned(b, i+2, t, rule, assignedLoose)
	}
	return s.assigned(b, i+1, t, rule, how)
}

// queryKeys are parameters that hold a secret when they look like one: ?key=value
// is none.
var queryKeys = map[string]bool{"key": true, "appid": true, "auth": true, "signature": true, "hmac": true, "session": true, "sid": true, "ticket": true, "code": true, "hash": true}

// queryKey looks at the value of such a parameter: letters and digits without order.
func (s *Scanner) queryKey(b []byte, start int) int {
	end, letters, digits, other := start, 0, 0, 0
	for end < len(b) && !valueEnd[b[end]] && b[end] != '#' && b[end] != '\\' {
		switch {
		case class[b[end]]&letter != 0:
			letters++
		case class[b[end]] == digit:
			digits++
		default:
			other++
		}
		end++
	}
	if end-start < 12 || letters < 3 || digits < 3 || other > (end-start)/4 || uuid(b[start:end]) {
		return start
	}
	s.add(Login, "url-query", Guess, start, end)
	return end
}

// assigned looks at the value from i on.
func (s *Scanner) assigned(b []byte, i int, t Type, rule string, how assignedHow) int {
	start := i
	for start < len(b) && start-i < 3 && b[start] == ' ' {
		start++
	}
	escapes := start
	for start < len(b) && b[start] == '\\' && start-escapes < 4 {
		start++
	}
	quote := byte(0)
	if c := at(b, start); c == '"' || c == '\'' || c == '`' {
		quote = c
		how = assignedSure
		start++
	} else {
		start = escapes
	}
	if w := start; quote == 0 || t != Password { // Bearer x, Basic x
		for w < len(b) && w-start < 8 && class[b[w]]&letter != 0 {
			w++
		}
		switch lowered(b[start:w]) {
		case "bearer", "basic", "token", "apikey", "digest":
			if at(b, w) == ' ' {
				start = w + 1
			}
		}
	}
	end, kind := start, uint8(0)
	symbols := false
	for end < len(b) {
		c := b[end]
		if quote != 0 && (c == quote || c == '\n') || quote == 0 && valueEnd[c] || c == '\\' && (at(b, end+1) == '"' || at(b, end+1) == '\'' || at(b, end+1) == 'n' && quote == 0) {
			break
		}
		kind |= class[c]
		symbols = symbols || class[c]&word == 0 && c != '-' && c != '.' && c != ':' && c != '/'
		end++
	}
	text := b[start:end]
	if quote == 0 {
		text = bytes.TrimRight(text, ".:")
	}
	if isPlaceholder(text) || quote == 0 && (opensParameter(b, start, end) || t == Password && isCounted(b, i, text)) || len(text) < 3 && how != assignedSure {
		return i
	}
	if how == assignedLoose && (len(text) < 6 || kind&digit == 0 && !symbols && len(text) < 24) {
		return i
	}
	if t != Password && len(text) < 4 {
		return i
	}
	if t == Secret && quote == 0 && bytes.IndexByte(text, '=') > 0 && lowered(b[max(0, i-7):i-1]) == "string" {
		return i // a connection string, whose password has a name of its own
	}
	s.add(t, rule, Context, start, start+len(text))
	return end
}

// valueEnd ends a value without quotes.
var valueEnd = func() (t [256]bool) {
	for c := range 0x21 {
		t[c] = true
	}
	for _, c := range ",;&\"'`)}]<>|" {
		t[c] = true
	}
	return t
}()

// bareEnd is where a value without quotes ends, a backslash included.
func bareEnd(b []byte, i int) int {
	for i < len(b) && !valueEnd[b[i]] && b[i] != '\\' {
		i++
	}
	return i
}

// isPlaceholder reports whether a value stands for none, or is masked.
func isPlaceholder(b []byte) bool {
	if len(b) == 0 || maskedToken(b) == len(b) {
		return true
	}
	switch lowered(b) {
	case "changeme", "change-me", "change_me", "null", "none", "nil", "true", "false", "undefined", "redacted", "masked", "hidden", "removed", "filtered", "empty", "required", "missing", "invalid", "expired":
		return true
	}
	if bytes.EqualFold(b, hiddenByAWS) {
		return true
	}
	if len(b) < 64 && (b[0] == '$' && (at(b, 1) == '{' || at(b, 1) == '(') || b[0] == '{' || b[0] == '%' && len(b) <= 3 || b[0] == '<' || b[0] == '[') {
		return true
	}
	if b[0] == '$' && len(b) > 2 && isVariable(b[1:]) {
		return true
	}
	for _, c := range b {
		if c != '*' && c != 'x' && c != 'X' && c != '.' && c != '-' && c != '#' && c < 0x80 {
			return false
		}
	}
	return true
}

// isVariable: $DB_PASS
func isVariable(b []byte) bool {
	for _, c := range b {
		if class[c]&(upper|under) == 0 {
			return false
		}
	}
	return true
}

// secretName says what kind of secret a name such as db_password, clientSecret
// or X-Api-Key means, or nothing.
func secretName(name []byte) Type {
	var buf [64]byte
	n := 0
	for _, c := range name[max(0, len(name)-len(buf)):] {
		switch class[c] {
		case upper:
			c |= 0x20
		case lower, digit:
		default:
			continue
		}
		buf[n] = c
		n++
	}
	key := buf[:n]
	if n < 3 {
		return ""
	}
	for _, not := range notSecrets {
		if bytes.HasSuffix(key, []byte(not)) {
			return ""
		}
	}
	for _, s := range secretNames[key[n-1]] {
		if bytes.HasSuffix(key, []byte(s.suffix)) && (!s.whole || len(key) == len(s.suffix)) {
			return s.typ
		}
	}
	return ""
}

// notSecrets end like names of secrets: they say where to go on, or that a
// request was sent before.
var notSecrets = []string{"nexttoken", "pagetoken", "continuationtoken", "paginationtoken", "synctoken", "requesttoken", "idempotencytoken", "canceltoken"}

type nameRule struct {
	suffix string
	whole  bool
	typ    Type
}

// secretNames are by their last letter.
var secretNames = func() (t [256][]nameRule) {
	add := func(typ Type, whole bool, names ...string) {
		for _, n := range names {
			t[n[len(n)-1]] = append(t[n[len(n)-1]], nameRule{n, whole, typ})
		}
	}
	add(Password, false, "password", "passwd", "passphrase", "passcode", "userpwd", "dbpwd", "kennwort", "passwort", "contrasena", "senha", "haslo", "wachtwoord", "losenord", "adgangskode", "salasana", "heslo", "motdepasse")
	add(Password, true, "pwd", "pass", "pgpassword", "pin")
	add(Token, false, "token", "authorization", "jsessionid", "sessid", "bearer")
	add(Token, true, "jwt", "cookie", "setcookie", "otp")
	add(Secret, false, "secret", "secretkey", "apikey", "accesskey", "privatekey", "accountkey", "encryptionkey", "signingkey", "authkey", "sharedkey", "masterkey",
		"secretaccesskey", "credential", "credentials", "connectionstring", "apisecret", "accesskeyid")
	add(Secret, true, "psk", "sig", "xamzsignature", "xamzsecuritytoken", "xapikey", "xgoogsignature")
	return t
}()

func isSessionID(name []byte) bool {
	n := lowered(name[len(name)-min(len(name), 10):])
	return n == "session_id" || strings.HasSuffix(n, "sessionid")
}

func isCookie(name []byte) bool { return lowered(name) == "cookie" || lowered(name) == "set-cookie" }

// isCounted: pwd=/srv/app is the directory one is in, pass=214 is how many tests
// passed.
func isCounted(b []byte, i int, text []byte) bool {
	start := i - 1
	for start > 0 && class[b[start-1]]&word != 0 {
		start--
	}
	switch lowered(b[start:max(start, i-1)]) {
	case "pwd":
		return text[0] == '/' || text[0] == '~' || len(text) > 2 && text[1] == ':' && text[2] == '\\'
	case "pass":
		return len(text) <= 6 && allDigits(text)
	}
	return false
}
