package config

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"simone/mib"
	"simone/profile"
)

// exporterFile is snmp.yml of Prometheus's snmp_exporter, as its generator
// writes it since 0.23; before that the modules stood at the top. What is not
// here is not supported, and named in a warning where it says something of
// what is read.
type exporterFile struct {
	Modules map[string]exporterModule `yaml:"modules"`
}

type exporterModule struct {
	Walk           []loose          `yaml:"walk"`
	Get            []loose          `yaml:"get"`
	Metrics        []exporterMetric `yaml:"metrics"`
	MaxRepetitions int              `yaml:"max_repetitions"`
	Retries        int              `yaml:"retries"`
	Timeout        Duration         `yaml:"timeout"`
}

type exporterMetric struct {
	Name    loose            `yaml:"name"`
	OID     loose            `yaml:"oid"`
	Type    loose            `yaml:"type"`
	Help    loose            `yaml:"help"`
	Indexes []exporterIndex  `yaml:"indexes"`
	Lookups []exporterLookup `yaml:"lookups"`
	Scale   float64          `yaml:"scale"`
	Offset  float64          `yaml:"offset"`
}

type exporterIndex struct {
	LabelName loose `yaml:"labelname"`
}

type exporterLookup struct {
	LabelName loose `yaml:"labelname"`
	OID       loose `yaml:"oid"`
}

// loose is text that may look like a number.
type loose string

func (l *loose) decodeText(text string) error {
	*l = loose(text)
	return nil
}

// What begins lines of snmp.yml, today's and that of before 0.23.
var (
	exporterNow    = regexp.MustCompile(`(?m)^(modules|auths):`)
	exporterBefore = regexp.MustCompile(`(?m)^  (walk|get|metrics):`)
)

// isExporter reports whether a file is snmp.yml, and not one of profiles.
func isExporter(data []byte) bool {
	return exporterNow.Match(data) || exporterBefore.Match(data) && !bytes.Contains(data, []byte("profiles:"))
}

// readExporter makes a profile of each module.
func readExporter(file string, data []byte) (all []*profile.Profile, warnings []string, ps Problems) {
	var f exporterFile
	d := newDecoder(file, &f)
	d.lenient = true
	if exporterNow.Match(data) {
		d.read(data, &f)
	} else {
		d.read(data, &f.Modules)
	}
	if len(d.problems) > 0 {
		return nil, nil, d.problems
	}
	if len(f.Modules) == 0 {
		d.placed(Problems{{Text: "there are no modules; is it the output of snmp_exporter's generator?"}})
		return nil, nil, d.problems
	}
	unknown := unknownKeys(d.unknown)
	for _, key := range unknown[""] {
		if key == "auths" {
			key = "auths, as nodes name credentials of the configuration instead"
		}
		warnings = append(warnings, fmt.Sprintf("%s: not taken: %s", file, key))
	}
	for _, name := range slices.Sorted(maps.Keys(f.Modules)) {
		m := f.Modules[name]
		p, notes := m.profile(name)
		p.Source = file
		for _, key := range unknown[name] {
			notes = append(notes, "not supported: "+key)
		}
		if profile.Reserved(name) {
			p.Name = "exporter-" + name
			notes = append(notes, "its profile is called "+p.Name+", as "+name+" is built in")
		}
		if err := checkWord(p.Name); err != nil {
			notes = append(notes, "left out: its name cannot be that of a profile: "+err.Error())
		} else if len(p.Objects) == 0 {
			notes = append(notes, "left out: it has no metric that is a number")
		} else {
			all = append(all, p)
		}
		if len(notes) > 0 {
			warnings = append(warnings, fmt.Sprintf("%s: module %s: %s", file, name, strings.Join(notes, "; ")))
		}
	}
	return all, warnings, nil
}

// unknownKeys counts what a file has that is not supported, by module; the
// empty one is the file itself.
func unknownKeys(found []Problem) map[string][]string {
	type place struct{ module, key string }
	count := make(map[place]int)
	for _, p := range found {
		words := strings.Split(p.Key, ".")
		words = slices.DeleteFunc(words, func(w string) bool { return w == "" })
		at := place{"", words[len(words)-1]}
		if len(words) > 1 {
			at.module = words[0]
			if words[0] == "modules" {
				at.module = words[1]
			}
		}
		switch at.key {
		case "type", "fixed_size", "implied", "labels", "display_hint", "enum_values", "use_unconnected_udp_socket":
			continue // of indexes, lookups and labels, which are said already; and what makes no difference
		}
		count[at]++
	}
	by := make(map[string][]string)
	for _, at := range slices.SortedFunc(maps.Keys(count), func(a, b place) int { return strings.Compare(a.module+a.key, b.module+b.key) }) {
		text := at.key
		if why := unsupported[at.key]; why != "" {
			text += " (" + why + ")"
		}
		if n := count[at]; n > 1 {
			text += ", " + strconv.Itoa(n) + " times"
		}
		by[at.module] = append(by[at.module], text)
	}
	return by
}

// unsupported says what becomes of what is not supported.
var unsupported = map[string]string{
	"filters":                  "all rows are read",
	"regex_extracts":           "the number is kept as it was answered, and text is not",
	"datetime_pattern":         "dates are not read",
	"allow_nonincreasing_oids": "a walk is cut where names do not increase",
	"version":                  "the credential of the node says it",
	"auth":                     "the credential of the node says it",
}

// The types of metrics that are numbers. Of enumerations the number is kept.
var exporterNumbers = []string{"gauge", "counter", "Float", "Double", "EnumAsInfo", "EnumAsStateSet"}

// profile makes a profile of a module, with notes of what it lacks.
func (m *exporterModule) profile(name string) (p *profile.Profile, notes []string) {
	p = &profile.Profile{Name: name, MaxRepetitions: max(m.MaxRepetitions, 0), Retries: max(m.Retries, 0), Timeout: max(time.Duration(m.Timeout), 0)}
	walks, bad := oids(m.Walk)
	gets, worse := oids(m.Get)
	for _, text := range append(bad, worse...) {
		notes = append(notes, fmt.Sprintf("left out: %q under walk or get is no OID", text))
	}
	texts := make(map[string][]string) // names of metrics that are none, by type
	var twice, nowhere, labels []string
	had := make(map[string]bool)
	for i := range m.Metrics {
		x := &m.Metrics[i]
		for _, l := range x.Lookups {
			if l.OID != "" {
				labels = append(labels, string(l.LabelName))
			}
		}
		oid, err := mib.ParseOID(string(x.OID))
		switch {
		case err != nil || len(oid) < 3:
			notes = append(notes, fmt.Sprintf("left out: metric %s, whose oid %q is none", x.Name, x.OID))
			continue
		case !slices.Contains(exporterNumbers, string(x.Type)):
			texts[string(x.Type)] = append(texts[string(x.Type)], string(x.Name))
			continue
		case had[string(x.Name)]:
			twice = append(twice, string(x.Name))
			continue
		case checkWord(string(x.Name)) != nil:
			notes = append(notes, fmt.Sprintf("left out: metric %q, which cannot be called so", x.Name))
			continue
		}
		o := profile.Object{
			Name: string(x.Name), Kind: profile.Value, Scale: x.Scale, Offset: x.Offset,
			Help: strings.TrimSuffix(strings.TrimSuffix(string(x.Help), " - "+string(x.OID)), " -"),
		}
		if x.Type == "counter" {
			o.Kind, o.Unit = profile.Rate, "1/s"
		}
		if !asked(&o, oid, len(x.Indexes) > 0, walks, gets) {
			nowhere = append(nowhere, o.Name)
			continue
		}
		had[o.Name] = true
		p.Objects = append(p.Objects, o)
	}
	list := func(names []string, format string) {
		if names = slices.Compact(slices.Sorted(slices.Values(names))); len(names) > 0 {
			notes = append(notes, fmt.Sprintf(format, digits(len(names), "metric"), few(names)))
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(texts)) {
		list(texts[kind], "not read: %s of type "+kind+", which is no number: %s")
	}
	list(twice, "left out: %s whose name another one has: %s")
	list(nowhere, "left out: %s that are in neither walk nor get: %s")
	if labels = slices.Compact(slices.Sorted(slices.Values(labels))); len(labels) > 0 {
		notes = append(notes, fmt.Sprintf("not read: labels by lookup, as rows go by the numbers of their index: %s", few(labels)))
	}
	return p, notes
}

// asked says how the module reads the metric at an OID; false if it does not.
func asked(o *profile.Object, oid mib.OID, column bool, walks, gets []mib.OID) bool {
	o.OID, o.Column = oid, column
	whole := slices.ContainsFunc(walks, func(w mib.OID) bool { return oid.HasPrefix(w) })
	for _, g := range gets {
		if g.HasPrefix(oid) && len(g) > len(oid) {
			o.Instances = append(o.Instances, g)
		}
	}
	for _, w := range walks {
		if w.HasPrefix(oid) && len(w) > len(oid) {
			o.Parts = append(o.Parts, w)
		}
	}
	switch {
	case !column:
		// The instance of a scalar is 0; get may have an instance itself.
		named := slices.ContainsFunc(gets, oid.Equal) || slices.ContainsFunc(walks, oid.Equal) && oid[len(oid)-1] == 0
		found := whole || named || len(o.Instances)+len(o.Parts) > 0
		if !named || oid[len(oid)-1] != 0 {
			o.OID = oid.Append(0)
		}
		o.Parts, o.Instances = nil, nil
		return found
	case whole:
		o.Parts, o.Instances = nil, nil
	}
	return whole || len(o.Parts)+len(o.Instances) > 0
}

func oids(texts []loose) (all []mib.OID, bad []string) {
	for _, t := range texts {
		o, err := mib.ParseOID(string(t))
		if err != nil {
			bad = append(bad, string(t))
			continue
		}
		all = append(all, o)
	}
	return all, bad
}

// few names some of many.
func few(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
}
