package profile

import (
	"errors"
	"strings"
	"testing"

	"simone/mib"
)

func TestBuiltInProfiles(t *testing.T) {
	s := BuiltInSet()
	for _, name := range []string{"simone", "system", "host", "interfaces"} {
		p, ok := s.Profile(name)
		if !ok {
			t.Fatalf("there is no profile %s", name)
		}
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, m := range p.Metrics() {
			if m.Help == "" || m.Scale == 0 {
				t.Errorf("%s/%s has no help or no scale", name, m.Name)
			}
		}
	}
	// What was there before profiles had digests keeps its name and numbers.
	for _, old := range mib.Profiles() {
		p, _ := s.Profile(old.Name)
		if p.Ref() != old.Name {
			t.Errorf("%s is called %s", old.Name, p.Ref())
		}
		for i, m := range p.Metrics() {
			if m != old.Metrics[i].Metric {
				t.Errorf("%+v was %+v", m, old.Metrics[i].Metric)
			}
		}
	}
}

func TestNumbersFollowWhatAMetricMeans(t *testing.T) {
	in := Object{Name: "in", OID: oid("1.3.6.1.9.1.6"), Column: true, Kind: Rate, Unit: "octets/s"}
	out := Object{Name: "out", OID: oid("1.3.6.1.9.1.7"), Column: true, Kind: Rate, Unit: "octets/s"}
	first := &Profile{Name: "a", Objects: []Object{in}}
	more := &Profile{Name: "a", Objects: []Object{out, in}}
	if first.number(&in) != more.number(&in) {
		t.Error("the number of a metric changes with another line of its profile")
	}
	if first.Ref() == more.Ref() {
		t.Error("a profile with another object has the same reference")
	}
	bits := in
	bits.Unit, bits.Scale = "bit/s", 8
	if (&Profile{Name: "a", Objects: []Object{bits}}).number(&bits) == first.number(&in) {
		t.Error("a metric of another unit has the same number")
	}
}

func TestSetFindsWhatRowsName(t *testing.T) {
	own := &Profile{Name: "own", Source: "own.yaml", Objects: []Object{{Name: "x", OID: oid("1.3.6.1.9.1.0")}}}
	s, err := NewSet([]*Profile{own}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := s.Ref("system, own")
	if err != nil || ref != "system,"+own.Ref() {
		t.Fatalf("system, own is %q (%v)", ref, err)
	}
	if found, err := s.Find(ref); err != nil || len(found) != 2 || found[1] != own {
		t.Errorf("%s finds %v (%v)", ref, found, err)
	}
	auto, err := s.Ref("auto")
	if err != nil || !strings.HasPrefix(auto, "auto@") {
		t.Fatalf("auto is %q (%v)", auto, err)
	}
	if _, err := s.Find(auto); !errors.Is(err, ErrAuto) {
		t.Errorf("%s: %v", auto, err)
	}
	for spec, want := range map[string]string{
		"nobody":       "there is no profile \"nobody\"; there is auto, host",
		"own@00000000": "not the same here",
		"auto@0":       "give all managers the same profiles",
		"own,own":      "stands there twice",
		"auto,own":     "write it alone",
		"":             "there is no profile \"\"",
	} {
		if _, err := s.Find(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Find(%q): %v, without %q", spec, err, want)
		}
	}
	if _, err := NewSet([]*Profile{{Name: "system", Objects: own.Objects}}, nil); err == nil {
		t.Error("system can be redefined")
	}
	if _, err := NewSet([]*Profile{own, own}, nil); err == nil {
		t.Error("two profiles of one name")
	}
}

func TestChoiceBySysObjectID(t *testing.T) {
	own := &Profile{Name: "own", Objects: []Object{{Name: "x", OID: oid("1.3.6.1.9.1.0")}}}
	s, err := NewSet([]*Profile{own}, []Choice{{oid("1.3.6.1.4.1.9.1.696"), "own"}})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		"1.3.6.1.4.1.9.1.696":                   "own",
		"1.3.6.1.4.1.9.1.6961":                  "system,interfaces",
		"1.3.6.1.4.1.8072.3.2.10":               "system,host,interfaces",
		"1.3.6.1.4.1.318.1.3.27":                "system",
		"0.0":                                   "system",
		"1.3.6.1.4.1.8072.9999.9999.7466.3.1.1": "simone,system",
	} {
		var names []string
		for _, p := range s.Choose(oid(id)) {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, ","); got != want {
			t.Errorf("%s is read with %s, not %s", id, got, want)
		}
	}
	if _, err := NewSet(nil, []Choice{{nil, "nobody"}}); err == nil {
		t.Error("a choice of a profile that is not held")
	}
	if a, _ := BuiltInSet().Ref("auto"); a == s.auto {
		t.Error("auto is the same with another table")
	}
}
