package mask

// nameBeside looks before the word value for the name it is the value of:
// key="SmtpPassword" value="…", "name": "DB_PASSWORD", "value": "…", and the
// lines of YAML.
func nameBeside(b []byte, value int) Type {
	end := value
	for end > 0 && value-end < 24 && nameGap[b[end-1]] {
		end--
	}
	start := end
	for start > 0 && end-start < 64 && (class[b[start-1]]&(letter|digit|under) != 0 || b[start-1] == '-' || b[start-1] == '.') {
		start--
	}
	if start == end || end == value {
		return ""
	}
	i := start
	for i > 0 && start-i < 8 && (nameGap[b[i-1]] || b[i-1] == ':' || b[i-1] == '=') {
		i--
	}
	key := i
	for key > 0 && i-key < 5 && class[b[key-1]]&letter != 0 {
		key--
	}
	switch lowered(b[key:i]) {
	case "key", "name":
		return secretName(b[start:end])
	}
	return ""
}

// nameGap stands between a name and the word value.
var nameGap = func() (t [256]bool) {
	for _, c := range " \t\r\n\"'\\," {
		t[c] = true
	}
	return t
}()
