package snmpdconf

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPutCut: what Put puts in, Cut takes out to the octet, and putting twice
// is putting once.
func TestPutCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([a-z# ]{0,6}\r?\n?){0,5}`).Draw(t, "text")
		body := rapid.StringMatching(`([a-z# ]{1,6}\n){1,4}`).Draw(t, "body")
		other := rapid.StringMatching(`([a-z# ]{1,6}\n){1,4}`).Draw(t, "other")
		put := must(t)(Put(text, body))
		if twice := must(t)(Put(put, body)); twice != put {
			t.Fatalf("twice %q, once %q", twice, put)
		}
		if got := must(t)(Put(must(t)(Put(text, other)), body)); got != put {
			t.Fatalf("over another %q, want %q", got, put)
		}
		cut, found, err := Cut(put)
		if err != nil || !found || cut != text {
			t.Fatalf("%q, %v, %v; want %q", cut, found, err, text)
		}
		if got := must(t)(Put(put, "")); got != text {
			t.Fatalf("nothing put: %q, want %q", got, text)
		}
		if again, found, err := Cut(cut); err != nil || found || again != cut {
			t.Fatalf("cut twice: %q, %v, %v", again, found, err)
		}
	})
}

func must(t *rapid.T) func(string, error) string {
	return func(s string, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// TestCutAmongOthers: what people add around a block stays.
func TestCutAmongOthers(t *testing.T) {
	put, err := Put("rocommunity public", "master agentx\n")
	if err != nil {
		t.Fatal(err)
	}
	got, found, err := Cut(put + "sysName x\n")
	if want := "rocommunity public\nsysName x\n"; err != nil || !found || got != want {
		t.Errorf("%q, %v, %v; want %q", got, found, err, want)
	}
}

func TestTornBlock(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
		says       string
	}{
		{"NoEnd", "a\n" + begin + "\nb\n", 2, "does not end"},
		{"NoBegin", "a\nb\n" + end + "\n", 3, "has not begun"},
		{"Twice", begin + "\n" + end + "\n" + begin + "\n" + end + "\n", 3, "second block"},
		{"Nested", begin + "\n" + begin + "\n" + end + "\n", 2, "second block"},
		{"TwoEnds", begin + "\n" + end + "\n" + end + "\n", 3, "has not begun"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Put(c.text, "x\n")
			_, _, cut := Cut(c.text)
			for _, err := range []error{err, cut} {
				mark, ok := errors.AsType[*MarkError](err)
				if !ok || mark.Line != c.line || !strings.Contains(mark.What, c.says) {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

func TestDiff(t *testing.T) {
	added, removed := Diff("# x\na\nb\n", "b\n# y\nc\n")
	if !slices.Equal(added, []string{"c"}) || !slices.Equal(removed, []string{"a"}) {
		t.Errorf("%q, %q", added, removed)
	}
}
