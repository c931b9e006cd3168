package reconfig

import "testing"

// A node is placed where all of its profiles are held; who says nothing, or has
// more than it can name, may be asked.
func TestNodesGoWhereTheirProfilesAreHeld(t *testing.T) {
	for _, tt := range []struct {
		capabilities []string
		profiles     string
		want         bool
	}{
		{nil, "system", true},
		{[]string{"credential:a"}, "system", true},
		{[]string{"profile:system"}, "system", true},
		{[]string{"profile:system"}, "", true},
		{[]string{"profile:system"}, "host@0a1b2c3d", false},
		{[]string{"profile:system", "profile:host@0a1b2c3d"}, "system,host@0a1b2c3d", true},
		{[]string{"profile:system", "profile:host@00000000"}, "system,host@0a1b2c3d", false},
		{[]string{"profile:*"}, "system,host@0a1b2c3d", true},
	} {
		n := Node{Capabilities: tt.capabilities}
		if got := n.holds("profile:", tt.profiles); got != tt.want {
			t.Errorf("%q hold %q: %t", tt.capabilities, tt.profiles, got)
		}
	}
}
