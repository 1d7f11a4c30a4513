package mask

import "bytes"

// Passwords that words tell: after the word in other languages, with words
// between, in quotation marks, in a sentence. Prose is like that, too, so the value
// must look like a password.

// foreignPasswords are words for a password that do not stay whole in ASCII, or
// are several.
var foreignPasswords = []string{"mot de passe", "Mot de passe", "contraseña", "Contraseña", "hasło", "Hasło", "lösenord", "Lösenord", "şifre", "Şifre", "пароль", "Пароль", "パスワード", "密码", "密碼", "비밀번호"}

func foreignPassword(b []byte) Type {
	for _, w := range foreignPasswords {
		if bytes.HasSuffix(b, []byte(w)) {
			return Password
		}
	}
	return ""
}

// enteredPassword looks at a colon that up to two words part from the word for a
// password: mot de passe saisi : …. start is where the word before the colon begins.
func (s *Scanner) enteredPassword(b []byte, start, i int) int {
	if b[i] != ':' || at(b, i+1) != ' ' {
		return i + 1
	}
	to := passwordLike(b, i+2)
	if to == 0 {
		return i + 1
	}
	for range 3 {
		end := start
		for end > 0 && b[end-1] == ' ' {
			end--
		}
		for start = end; start > 0 && end-start < 24 && class[b[start-1]]&(letter|high) != 0; {
			start--
		}
		if start == end {
			break
		}
		if foreignPassword(b[:end]) != "" || secretName(b[start:end]) == Password {
			s.add(Password, "assignment", Guess, i+2, to)
			return to
		}
	}
	return i + 1
}

// toldPassword looks at a word that is password, or the IDENTIFIED BY of SQL, and
// returns where the password behind it ends, or 0.
func (s *Scanner) toldPassword(b []byte, start, end int) int {
	switch {
	case at(b, end) != ' ':
	case b[start]|0x20 == 'p' && secretName(b[start:end]) == Password:
		if to := s.quotedPassword(b, end); to > 0 {
			return to
		}
		return s.saidPassword(b, end+1)
	case lowered(b[start:end]) == "identified" && len(b) > end+4 && lowered(b[end:end+3]) == " by":
		return s.quotedPassword(b, end+3)
	}
	return 0
}

// saidPassword: the password is …, das Passwort lautet ….
func (s *Scanner) saidPassword(b []byte, i int) int {
	verb := i
	for verb < len(b) && verb-i < 8 && class[b[verb]]&letter != 0 {
		verb++
	}
	switch lowered(b[i:verb]) {
	case "is", "was", "lautet", "ist":
	default:
		return 0
	}
	if at(b, verb) != ' ' {
		return 0
	}
	end := passwordLike(b, verb+1)
	if end == 0 {
		return 0
	}
	s.add(Password, "assignment", Guess, verb+1, end)
	return end
}

// passwordLike returns where what stands at i ends, if it looks like a password
// and like nothing else: letters, digits and signs, no path. Else it returns 0.
func passwordLike(b []byte, i int) int {
	end, kind, signs := i, uint8(0), false
	for end < len(b) && b[end] > ' ' && b[end] != '"' && b[end] != '/' && b[end] != '(' && b[end] != ',' && end-i < 64 {
		kind |= class[b[end]]
		signs = signs || bytes.IndexByte([]byte("!#$%^*?~&"), b[end]) >= 0
		end++
	}
	if at(b, end) == '/' || end-i < 8 || kind&digit == 0 || kind&letter == 0 || !signs {
		return 0
	}
	return end
}

// quotedPassword looks at a quotation right behind the word for a password, which
// ends at i: passphrase "…", パスワード「…」.
func (s *Scanner) quotedPassword(b []byte, i int) int {
	from := i
	if b[from] == ' ' {
		from++
	}
	quote := at(b, from)
	if from++; quote != '"' && quote != '\'' {
		return 0
	}
	n := bytes.IndexByte(b[min(from, len(b)):min(len(b), from+64)], quote)
	if n < 6 {
		return 0
	}
	kind := uint8(0)
	for _, c := range b[from : from+n] {
		if c == ' ' {
			return 0
		}
		kind |= class[c]
	}
	if kind&digit == 0 || kind&(letter|high) == 0 || isPlaceholder(b[from:from+n]) {
		return 0
	}
	s.add(Password, "assignment", Context, from, from+n)
	return from + n
}
