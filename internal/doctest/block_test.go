package doctest

import (
	"fmt"
	"regexp"
	"strings"
)

// A command is one of a console block, with what is shown below it:
//
//	```console
//	$ indelible init
//	ledger      …
//	```
//
// A line that begins with "> " goes on with the command before it. In what is
// shown, … stands for anything within a line, and alone for any lines. Where
// nothing is shown, nothing is compared. A command has to end with exit code 0:
// where another is meant it is shown, by `; echo "exit code $?"`.
type command struct {
	line  int // in the document
	text  string
	shown []string
}

// commands reads the console blocks of a document.
func commands(document string) ([]command, error) {
	var all []command
	inBlock := false
	for i, line := range strings.Split(document, "\n") {
		switch {
		case !inBlock && strings.HasPrefix(line, "```console"):
			if line != "```console" {
				return nil, fmt.Errorf("line %d: write ```console alone, not %q", i+1, line)
			}
			inBlock = true
		case !inBlock:
		case line == "```":
			inBlock = false
		case strings.HasPrefix(line, "$ "):
			all = append(all, command{line: i + 1, text: line[2:]})
		case len(all) == 0:
			return nil, fmt.Errorf("line %d: output without a command", i+1)
		case strings.HasPrefix(line, "> ") && len(all[len(all)-1].shown) == 0:
			all[len(all)-1].text += "\n" + line[2:]
		default:
			last := &all[len(all)-1]
			last.shown = append(last.shown, line)
		}
	}
	if inBlock {
		return nil, fmt.Errorf("the last console block has no end")
	}
	return all, nil
}

// differs says what is different between the lines shown and the output, or
// nothing.
func differs(shown []string, output string) string {
	var pattern strings.Builder
	pattern.WriteString(`\A`)
	for _, line := range shown {
		line = strings.TrimRight(line, " ")
		if line == "…" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		for i, text := range strings.Split(line, "…") {
			if i > 0 {
				pattern.WriteString(`.*`)
			}
			pattern.WriteString(regexp.QuoteMeta(text))
		}
		pattern.WriteString(` *\n`)
	}
	pattern.WriteString(`\z`)
	if output != "" && !strings.HasSuffix(output, "\n") {
		output += "\n"
	}
	if regexp.MustCompile(pattern.String()).MatchString(output) {
		return ""
	}
	return fmt.Sprintf("the document shows\n%s\nthe command printed\n%s", indent(strings.Join(shown, "\n")), indent(output))
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}
