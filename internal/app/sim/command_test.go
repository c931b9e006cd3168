package sim

import "testing"

func TestNamesDiffer(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range commands() {
		if seen[c.Name()] {
			t.Errorf("two commands are called %s", c.Name())
		}
		seen[c.Name()] = true
	}
	if got := format(Command()); got != "table" {
		t.Errorf("without a root command the format is %q", got)
	}
}
