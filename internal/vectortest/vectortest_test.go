package vectortest

import "testing"

func TestFind(t *testing.T) {
	start, end, err := find("a\n```vectors\n# x\nb = 1\n```\n```vectors\n# y\n```\n", "x")
	if err != nil || start != 13 || end != 23 {
		t.Errorf("%d, %d, %v", start, end, err)
	}
	for _, bad := range []string{"", "```vectors\n# y\n```\n", "```vectors\n# x\n", "```vectors\n# x\n```\n```vectors\n# x\n```\n"} {
		if _, _, err := find(bad, "x"); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
