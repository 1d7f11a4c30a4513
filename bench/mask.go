package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"indelible/internal/mask"
	"indelible/internal/mask/masktest"
)

// labelledSentences is where labelled sentences lie, beside the repository.
const labelledSentences = "../../shared/data/pii"

func benchMask(_ context.Context, e *env) error {
	if err := maskQuality(e); err != nil {
		return err
	}
	return maskSpeed()
}

// floorOf are goal and floor of F2 by type; of a secret, of its recall.
func floorOf(t string) (goal, floor string) {
	switch t {
	case "PHONE_NUMBER":
		return "0.92", "0.90"
	case "DATE_TIME":
		return "0.90", "0.85"
	case "CREDIT_CARD", "IBAN_CODE", "EMAIL_ADDRESS", "US_SSN", "IP_ADDRESS", "URL_CREDENTIALS":
		return "0.99", "0.97"
	}
	return "0.99", "0.97"
}

func maskQuality(e *env) error {
	policy := mask.Strict()
	if err := policy.Compile(); err != nil {
		return err
	}
	all := mask.NewScanner(policy, true)
	masked := mask.NewScanner(policy, false)
	dir := e.labelled
	if _, err := os.Stat(filepath.Join(dir, masktest.Labelled[0])); err != nil {
		fmt.Println("no labelled sentences at", dir)
	} else {
		for half, name := range []string{"learnt", "held back"} {
			board := masktest.Board{}
			for _, file := range masktest.Labelled {
				samples, err := masktest.Read(dir, file, half)
				if err != nil {
					return err
				}
				for _, s := range samples {
					board.Add(s.Text, s.Spans, masktest.Answers(all, s.Text), nil)
				}
			}
			for _, t := range []string{"CREDIT_CARD", "IBAN_CODE", "EMAIL_ADDRESS", "US_SSN", "PHONE_NUMBER", "DATE_TIME"} {
				printScore("labelled sentences, "+name, t, board)
			}
		}
	}
	const seed = 20240301 // never learnt from
	maker := masktest.NewMaker(seed)
	board, leaked := masktest.Board{}, 0
	redact, err := mask.New(policy, mask.Options{Redact: true})
	if err != nil {
		return err
	}
	for _, s := range append(maker.Logs(20_000, false), maker.Logs(10_000, true)...) {
		board.Add(s.Text, s.Spans, masktest.Answers(masked, s.Text), nil)
		out, left := redact.Record(nil, []byte(s.Text), false)
		if len(left) > 0 {
			return fmt.Errorf("still found: %v", left)
		}
		runes := []rune(s.Text)
		for _, span := range s.Spans {
			if strings.Contains(string(out), string(runes[span.Start:span.End])) {
				leaked++
			}
		}
	}
	for _, t := range []string{"CREDIT_CARD", "IBAN_CODE", "EMAIL_ADDRESS", "US_SSN", "IP_ADDRESS", "URL_CREDENTIALS"} {
		printScore("made-up log lines", t, board)
	}
	var secrets masktest.Score
	for _, t := range []string{"SECRET", "TOKEN", "JWT", "PRIVATE_KEY"} {
		if s := board[t]; s != nil {
			secrets.Hits, secrets.Missed, secrets.Wrong = secrets.Hits+s.Hits, secrets.Missed+s.Missed, secrets.Wrong+s.Wrong
		}
	}
	row(fmt.Sprintf("made-up log lines: secrets (%d), recall", secrets.Hits+secrets.Missed), fmt.Sprintf("%.3f", secrets.Recall()), "0.99", "0.97")
	row("values that are still in the masked lines, of 30,000 lines", fmt.Sprint(leaked), "-", "-")
	alarms, secret := 0, 0
	clean := maker.Clean(50_000)
	for _, line := range clean {
		found, _ := masked.Scan([]byte(line))
		if len(found) > 0 {
			alarms++
		}
		for _, f := range found {
			if policy.Action(f.Type) == mask.Redact {
				secret++
			}
		}
	}
	row("false alarms per 1,000 clean log lines: secrets", fmt.Sprintf("%.2f", float64(secret)/float64(len(clean))*1000), "2", "5")
	row("false alarms per 1,000 clean log lines: anything masked", fmt.Sprintf("%.2f", float64(alarms)/float64(len(clean))*1000), "2", "5")
	return nil
}

func printScore(what, t string, board masktest.Board) {
	s := board[t]
	if s == nil {
		return
	}
	goal, floor := floorOf(t)
	row(fmt.Sprintf("%s: %s (%d), F2 (precision %.3f, recall %.3f)", what, t, s.Hits+s.Missed, s.Precision(), s.Recall()), fmt.Sprintf("%.3f", s.F2()), goal, floor)
}

// simple are regular expressions as people write them, for a comparison.
var simple = []*regexp.Regexp{
	regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`),
	regexp.MustCompile(`\b(?:\d[ -]?){13,19}\b`),
	regexp.MustCompile(`\b\d{3}-\d{2}-\d{4}\b`),
	regexp.MustCompile(`\b(?:\d{1,3}\.){3}\d{1,3}\b`),
	regexp.MustCompile(`\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,4})?\b`),
	regexp.MustCompile(`://[^/\s:@]+:[^/\s@]+@`),
	regexp.MustCompile(`(?i)(?:password|secret|token|api_key)["']?\s*[:=]\s*["']?[^\s"',;]+`),
	regexp.MustCompile(`\b(?:AKIA|ASIA)[A-Z2-7]{16}\b`),
}

func maskSpeed() error {
	maker := masktest.NewMaker(3)
	var lines [][]byte
	size := 0
	for i := range 40_000 { // one line in ten has something in it
		text := maker.Clean(1)[0]
		if i%10 == 0 {
			text = maker.Logs(1, i%20 == 0)[0].Text
		}
		line := []byte(maker.Line(text))
		lines, size = append(lines, line), size+len(line)
	}
	speed := func(do func(line []byte)) float64 {
		best := 0.0
		for range 4 {
			start := time.Now()
			for _, line := range lines {
				do(line)
			}
			best = max(best, float64(size)/1e6/time.Since(start).Seconds())
		}
		return best
	}
	policy := mask.Strict()
	if err := policy.Compile(); err != nil {
		return err
	}
	var out []byte
	results := make(map[string]float64)
	for name, opt := range map[string]mask.Options{"mask": {Redact: true}, "reports": {Redact: true, Report: true}, "pseudonyms": {Key: make([]byte, mask.MinKey)}} {
		m, err := mask.New(policy, opt)
		if err != nil {
			return err
		}
		results[name] = speed(func(line []byte) { out, _ = m.Record(out[:0], line, false) })
	}
	sum := speed(func(line []byte) { sha256.Sum256(line) })
	start, n := time.Now(), 0
	for _, line := range lines[:2000] {
		for _, r := range simple {
			r.Match(line)
		}
		n += len(line)
	}
	expressions := float64(n) / 1e6 / time.Since(start).Seconds()
	row(fmt.Sprintf("masking %d MB of runs, one core, what was changed scanned again, MB/s", size/1e6), fmt.Sprintf("%.0f", results["mask"]), "200", "120")
	row("the same with pseudonyms", fmt.Sprintf("%.0f", results["pseudonyms"]), "-", "-")
	row("the same with what is only reported (dates, URLs)", fmt.Sprintf("%.0f", results["reports"]), "-", "-")
	row("times SHA-256 of the same lines", fmt.Sprintf("%.3f", results["mask"]/sum), "-", "-")
	row(fmt.Sprintf("times eight regular expressions in sequence (%.1f MB/s)", expressions), fmt.Sprintf("%.0f", results["mask"]/expressions), "-", "-")
	return nil
}
