package mask_test

import (
	"os"
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
