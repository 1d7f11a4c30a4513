package mask

import "strings"

// arn looks for the person in the name of an AWS resource: the user of
// …:user/path/name, the session of …:assumed-role/role/session, which is whoever
// took the role (IAM User Guide, IAM identifiers).
func (s *Scanner) arn(b []byte, start int) {
	colons, i := 0, start
	for ; i < len(b) && i-start < 160 && colons < 5; i++ {
		if b[i] == ':' {
			colons++
		} else if class[b[i]]&word == 0 && b[i] != '-' {
			return
		}
	}
	if colons < 5 {
		return
	}
	kind := i
	for i < len(b) && i-kind < 16 && b[i] != '/' {
		i++
	}
	if at(b, i) != '/' || string(b[kind:i]) != "user" && string(b[kind:i]) != "assumed-role" && string(b[kind:i]) != "federated-user" {
		return
	}
	role := b[kind] == 'a'
	from, slashes := i+1, 0
	for i++; i < len(b) && i-kind < 600 && (class[b[i]]&word != 0 || b[i] == '/' || b[i] == '+' || b[i] == '=' || b[i] == ',' || b[i] == '.' || b[i] == '@' || b[i] == '-'); i++ {
		if b[i] == '/' {
			from = i + 1
			slashes++
		}
	}
	for i > from && (b[i-1] == '.' || b[i-1] == ',') {
		i--
	}
	if i > from && (!role || slashes > 0) {
		s.add(User, "arn", Validated, from, i)
	}
}

// hiddenByAWS is what CloudTrail writes in the place of secrets.
var hiddenByAWS = []byte("HIDDEN_DUE_TO_SECURITY_REASONS")

// isNobody reports whether a value is not what the name of its field says: the
// owner of a resource is an account of AWS (12 digits) or a name for the seller
// of an image, a clientToken that is a UUID only tells repeated requests apart.
func isNobody(info fieldInfo, v []byte) bool {
	switch {
	case info.typ == User && (strings.HasSuffix(info.words, "owner") || strings.HasSuffix(info.words, "owner id")):
		return len(v) == 12 && allDigits(v) || string(v) == "amazon" || string(v) == "aws-marketplace"
	case info.typ == Token && strings.HasSuffix(info.words, "client token"):
		return len(v) == 36 && uuid(v)
	}
	return false
}
