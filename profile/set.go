package profile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"simone/mib"
)

// Set is all profiles that a node holds, and how auto chooses among them. It
// does not change and is safe for concurrent use.
type Set struct {
	profiles []*Profile          // in order of names
	byName   map[string]*Profile // by name, and by reference
	choices  []Choice
	auto     string // the reference of auto
	metrics  []mib.Metric
	every    map[uint32]time.Duration
}

// NewSet makes a set of the built-in profiles and others, of which one may
// take the place of a built-in one, save simone and system. choices come
// before the built-in ones.
func NewSet(others []*Profile, choices []Choice) (*Set, error) {
	s := &Set{byName: make(map[string]*Profile)}
	add := func(p *Profile) {
		s.profiles = append(s.profiles, p)
		s.byName[p.Name], s.byName[p.Ref()] = p, p
	}
	for _, p := range others {
		switch had := s.byName[p.Name]; {
		case Reserved(p.Name):
			return nil, fmt.Errorf("profile %s: the name is that of a built-in profile that stays as it is; choose another", p.Name)
		case had != nil:
			return nil, fmt.Errorf("profile %s: it is in %s and in %s; keep one", p.Name, had.Source, p.Source)
		}
		if err := p.Validate(); err != nil {
			return nil, fmt.Errorf("profile %s: %w", p.Name, err)
		}
		add(p)
	}
	for _, p := range BuiltIn() {
		if s.byName[p.Name] == nil {
			add(p)
		}
	}
	slices.SortFunc(s.profiles, func(a, b *Profile) int { return strings.Compare(a.Name, b.Name) })
	if err := s.number(); err != nil {
		return nil, err
	}
	return s, s.choose(append(slices.Clone(choices), Choices()...))
}

// BuiltInSet has the built-in profiles alone.
func BuiltInSet() *Set { return builtIn() }

var builtIn = sync.OnceValue(func() *Set {
	s, err := NewSet(nil, nil)
	if err != nil {
		panic(err) // a test sees to it
	}
	return s
})

// Reserved reports whether a profile must not be called so.
func Reserved(name string) bool {
	return name == AutoName || name == mib.ProfileSimone || name == mib.ProfileSystem
}

func (s *Set) number() error {
	had := make(map[uint32]mib.Metric)
	s.every = make(map[uint32]time.Duration)
	for _, p := range s.profiles {
		for i, m := range p.Metrics() {
			if d := p.Objects[i].Interval; d > 0 {
				s.every[m.Number] = d
			}
			if other, twice := had[m.Number]; twice {
				return fmt.Errorf("metrics %s/%s and %s/%s have the same number %d: rename one", other.Profile, other.Name, m.Profile, m.Name, m.Number)
			}
			had[m.Number] = m
			s.metrics = append(s.metrics, m)
		}
	}
	return nil
}

// choose takes the table of auto; its digest is that of the table and of all
// profiles in it.
func (s *Set) choose(table []Choice) error {
	var text strings.Builder
	for _, c := range table {
		ref, err := s.refs(c.Profiles)
		if err != nil {
			return fmt.Errorf("choice of profiles for %v: %w", c.Prefix, err)
		}
		fmt.Fprintln(&text, c.Prefix, ref)
	}
	s.choices, s.auto = table, AutoName+"@"+digest(text.String())
	return nil
}

// Profiles lists all, in order of names. Do not change them.
func (s *Set) Profiles() []*Profile { return s.profiles }

// Choices is the table of auto.
func (s *Set) Choices() []Choice { return s.choices }

// Profile finds a profile by name or reference.
func (s *Set) Profile(name string) (*Profile, bool) {
	p, ok := s.byName[name]
	return p, ok
}

// Metrics describes the metrics of all profiles.
func (s *Set) Metrics() []mib.Metric { return s.metrics }

// Every is how often the metrics are read that are not in each poll, by number.
// Do not change it.
func (s *Set) Every() map[uint32]time.Duration { return s.every }

// Refs lists what the node can advertise that it holds.
func (s *Set) Refs() []string {
	refs := []string{s.auto}
	for _, p := range s.profiles {
		refs = append(refs, p.Ref())
	}
	return refs
}

// maxRow is the most octets that a row has for its profiles.
const maxRow = 255

// Ref is how a row names what people call by names with commas between: auto,
// or profiles. The error says which of them is not held, and what is.
func (s *Set) Ref(spec string) (string, error) {
	if s.isAuto(spec) {
		return s.auto, nil
	}
	refs, err := s.refs(spec)
	if err == nil && len(refs) > maxRow {
		err = fmt.Errorf("the profiles of one node take %d octets with their digests, and at most %d fit its row; put what is wanted into one profile", len(refs), maxRow)
	}
	return refs, err
}

func (s *Set) isAuto(spec string) bool {
	spec = strings.TrimSpace(spec)
	return spec == AutoName || spec == s.auto
}

func (s *Set) refs(spec string) (string, error) {
	found, err := s.find(spec)
	if err != nil {
		return "", err
	}
	refs := make([]string, len(found))
	for i, p := range found {
		refs[i] = p.Ref()
	}
	return strings.Join(refs, ","), nil
}

// ErrAuto says that the profiles depend on the device's sysObjectID.
var ErrAuto = errors.New("the profiles are chosen by sysObjectID")

// Find gives the profiles that a row names. The error is ErrAuto where it
// leaves the choice to Choose.
func (s *Set) Find(spec string) ([]*Profile, error) {
	if s.isAuto(spec) {
		return nil, ErrAuto
	}
	return s.find(spec)
}

func (s *Set) find(spec string) ([]*Profile, error) {
	var found []*Profile
	for name := range strings.SplitSeq(spec, ",") {
		name = strings.TrimSpace(name)
		p := s.byName[name]
		switch plain, version, _ := strings.Cut(name, "@"); {
		case p != nil && slices.Contains(found, p):
			return nil, fmt.Errorf("profile %s stands there twice; write it once", plain)
		case p != nil:
			found = append(found, p)
		case plain == AutoName && name != AutoName:
			return nil, fmt.Errorf("what auto chooses by (%s) is not the same here (%s); give all managers the same profiles", version, strings.TrimPrefix(s.auto, AutoName+"@"))
		case plain == AutoName:
			return nil, errors.New("auto stands for all profiles of a node; write it alone")
		case s.byName[plain] != nil:
			return nil, fmt.Errorf("profile %s is not the same here (%s) as where it was chosen (%s); give all managers the same file", plain, s.byName[plain].Digest(), version)
		default:
			return nil, fmt.Errorf("there is no profile %q; there is %s", name, s.names())
		}
	}
	return found, nil
}

// names lists what could have been meant; of many, the first.
func (s *Set) names() string {
	names := []string{AutoName}
	for _, p := range s.profiles {
		names = append(names, p.Name)
	}
	const most = 12
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more (simonectl profile list)", len(names)-most)
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// Choose gives the profiles for a device of that sysObjectID; nil is one that
// has none.
func (s *Set) Choose(id mib.OID) []*Profile {
	for _, c := range s.choices {
		if id.HasPrefix(c.Prefix) {
			found, err := s.find(c.Profiles)
			if err != nil {
				break // NewSet has found them
			}
			return found
		}
	}
	return []*Profile{s.byName[mib.ProfileSystem]}
}
