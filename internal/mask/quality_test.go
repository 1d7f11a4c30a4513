package mask_test

import (
	"os"
	"strings"
	"testing"

	"indelible/internal/mask"
	"indelible/internal/mask/masktest"
)

// labelled is where labelled sentences lie, beside the repository.
const labelled = "../../../shared/data/pii"

// floors of F2 on labelled sentences, with which a release is not worse.
var floors = map[mask.Type]float64{
	mask.Email: 0.97, mask.Card: 0.97, mask.IBAN: 0.97, mask.SSN: 0.97, mask.Phone: 0.90, mask.Date: 0.85,
}

func TestLabelled(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(labelled); err != nil {
		t.Skip("no labelled sentences here")
	}
	s := mask.NewScanner(compiled(t, mask.Strict()), true)
	board := masktest.Board{}
	for _, name := range masktest.Labelled {
		samples, err := masktest.Read(labelled, name, masktest.Both)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range samples {
			board.Add(x.Text, x.Spans, masktest.Answers(s, x.Text), nil)
		}
	}
	for typ, floor := range floors {
		score := board[string(typ)]
		if score == nil || score.Hits+score.Missed < 25 {
			t.Fatalf("%s: hardly a label", typ)
		}
		if score.F2() < floor {
			t.Errorf("%s: F2 %.3f, the floor is %.2f", typ, score.F2(), floor)
		}
	}
	if p := board[string(mask.Phone)].Precision(); p < 0.80 {
		t.Errorf("phones: precision %.3f, the floor is 0.80", p)
	}
}

// TestMadeUp: the same on log lines that are made up, for everybody.
func TestMadeUp(t *testing.T) {
	t.Parallel()
	s := mask.NewScanner(compiled(t, mask.Strict()), false)
	maker := masktest.NewMaker(11)
	board := masktest.Board{}
	for _, x := range append(maker.Logs(2000, false), maker.Logs(2000, true)...) {
		board.Add(x.Text, x.Spans, masktest.Answers(s, x.Text), nil)
	}
	for _, typ := range []mask.Type{mask.Email, mask.Card, mask.IBAN, mask.SSN, mask.IP, mask.Login, mask.Secret, mask.Token, mask.JWT, mask.PrivateKey} {
		if score := board[string(typ)]; score == nil || score.Hits < 30 || score.F2() < 0.97 {
			t.Errorf("%s: %+v, the floor of F2 is 0.97", typ, score)
		}
	}
	alarms := 0
	for _, line := range maker.Clean(4000) {
		if found, _ := s.Scan([]byte(line)); len(found) > 0 {
			alarms++
		}
	}
	if alarms > 4*5 {
		t.Errorf("%d false alarms in 4,000 clean lines, at most 5 per 1,000", alarms)
	}
}

// TestLogLines: lines as steps of workflows write them, with numbers of forty
// countries in the ways these are written, and lines in which there is nothing.
func TestLogLines(t *testing.T) {
	t.Parallel()
	board, clean := logLines(t, "testdata/loglines.txt")
	if p := board[string(mask.Phone)]; p.Hits+p.Missed < 200 || clean < 150 {
		t.Errorf("%d phone numbers and %d clean lines are too few", p.Hits+p.Missed, clean)
	}
}

// TestOtherLines: lines of workflow engines, servers, drivers, mailers, gateways,
// tools and shells, no two of one form, with something of every kind that has a
// floor. They were written without a look at the recognisers.
func TestOtherLines(t *testing.T) {
	t.Parallel()
	for name, least := range map[string]int{"enginelines": 200, "applines": 200, "toollines": 190, "mixedlines": 300} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			board, clean := logLines(t, "testdata/"+name+".txt")
			for _, typ := range []mask.Type{mask.Email, mask.Phone, mask.Card, mask.IBAN, mask.SSN, mask.IP, mask.Login, mask.Secret} {
				if score := board[string(typ)]; score == nil || score.Hits+score.Missed < 24 {
					t.Errorf("%s: hardly a label", typ)
				}
			}
			if clean < least {
				t.Errorf("%d clean lines are too few", clean)
			}
		})
	}
}

// logLines holds a file of labelled lines to the floors, and counts those with
// nothing in them. Which kind of secret a secret is does not matter.
func logLines(t *testing.T, name string) (board masktest.Board, clean int) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s := mask.NewScanner(compiled(t, mask.Strict()), false)
	board = masktest.Board{}
	alarms := 0
	for line := range strings.Lines(string(text)) {
		x := masktest.Marked(strings.TrimSuffix(line, "\n"))
		answers := masktest.Answers(s, x.Text)
		for _, spans := range [][]masktest.Span{x.Spans, answers} {
			for i := range spans {
				switch mask.Type(spans[i].Type) {
				case mask.Token, mask.JWT, mask.PrivateKey, mask.Password:
					spans[i].Type = string(mask.Secret)
				}
			}
		}
		board.Add(x.Text, x.Spans, answers, func(label bool, p masktest.Span) { t.Logf("label %v %s in %s", label, p.Type, line) })
		if len(x.Spans) == 0 {
			clean++
			alarms += len(answers)
		}
	}
	for typ, score := range board {
		floor := 0.97
		if typ == string(mask.Phone) {
			floor = 0.90
		}
		if score.F2() < floor {
			t.Errorf("%s: F2 %.3f, the floor is %.2f", typ, score.F2(), floor)
		}
	}
	if p := board[string(mask.Phone)].Precision(); p < 0.80 {
		t.Errorf("phones: precision %.3f, the floor is 0.80", p)
	}
	if alarms > 0 {
		t.Errorf("%d false alarms in %d clean lines", alarms, clean)
	}
	return board, clean
}
