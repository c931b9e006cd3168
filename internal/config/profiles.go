package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"simone/mib"
	"simone/profile"
)

// Profiles is what a node can read of others beside the built-in profiles.
// All managers that are to poll the same devices need the same files: a row
// names its profiles with their digests, and who holds others refuses it.
// Names of files are relative to the configuration.
type Profiles struct {
	// Files are files with profiles, or patterns as profiles/*.yaml.
	Files []string `yaml:"files"`
	// SNMPExporter are files or patterns of snmp.yml, that of Prometheus's
	// snmp_exporter; each of its modules is a profile.
	SNMPExporter []string `yaml:"snmp_exporter"`
	// MIBs are directories with files of MIB modules, for profiles that call
	// objects by name.
	MIBs []string `yaml:"mibs"`
	// Choose comes before the built-in table by which a device gets its
	// profiles whose own are auto. The first prefix that fits counts.
	Choose []ProfileChoice `yaml:"choose"`
}

// ProfileChoice is one line of that table.
type ProfileChoice struct {
	// Prefix is how the device's sysObjectID begins.
	Prefix string `yaml:"prefix"`
	// Profile is what to read of it: one, or several with commas between.
	Profile string `yaml:"profile"`
}

// HeldProfiles are all profiles of the node, the built-in ones among them.
func (n *Node) HeldProfiles() *profile.Set {
	if n.held == nil {
		return profile.BuiltInSet()
	}
	return n.held
}

// load reads what the configuration names.
func (p *Profiles) load(dir string) (held *profile.Set, warnings []string, ps Problems) {
	if len(p.Files)+len(p.SNMPExporter)+len(p.MIBs)+len(p.Choose) == 0 {
		return nil, nil, nil
	}
	names := newGlossary(dir, p.MIBs)
	defer names.close()
	ps.under("mibs", names.problems)
	var all []*profile.Profile
	read := func(key string, patterns []string, one func(file string, data []byte) ([]*profile.Profile, []string, Problems)) {
		for i, pattern := range patterns {
			at := fmt.Sprintf("%s[%d]", key, i)
			files, err := found(dir, pattern)
			if err != nil {
				ps.add(at, "%v", err)
				continue
			}
			for _, file := range files {
				data, err := os.ReadFile(file)
				if err != nil {
					ps.add(at, "%v; let the user that runs this read it", err)
					continue
				}
				profiles, warned, problems := one(file, data)
				all, warnings, ps = append(all, profiles...), append(warnings, warned...), append(ps, problems...)
			}
		}
	}
	read("files", p.Files, func(file string, data []byte) ([]*profile.Profile, []string, Problems) {
		profiles, problems := readProfiles(file, data, names)
		return profiles, nil, problems
	})
	read("snmp_exporter", p.SNMPExporter, readExporter)
	for i, a := range all {
		if j := slices.IndexFunc(all[:i], func(b *profile.Profile) bool { return b.Name == a.Name }); j >= 0 {
			ps.add("", "profile %s is in %s and in %s; rename one, or take one of the files away", a.Name, all[j].Source, a.Source)
		}
	}
	var choices []profile.Choice
	for i, c := range p.Choose {
		prefix, err := mib.ParseOID(c.Prefix)
		if err != nil {
			ps.add(fmt.Sprintf("choose[%d].prefix", i), "%v", err)
		}
		choices = append(choices, profile.Choice{Prefix: prefix, Profiles: c.Profile})
	}
	if len(ps) > 0 {
		return nil, warnings, ps
	}
	held, err := profile.NewSet(all, nil)
	if err != nil {
		ps.add("", "%v", err)
		return nil, warnings, ps
	}
	for i, c := range p.Choose {
		if _, err := held.Find(c.Profile); err != nil {
			ps.add(fmt.Sprintf("choose[%d].profile", i), "%v", err)
		}
	}
	if len(ps) == 0 && len(choices) > 0 {
		if held, err = profile.NewSet(all, choices); err != nil {
			ps.add("choose", "%v", err)
		}
	}
	return held, warnings, ps
}

// found gives the files of a pattern, which must be at least one.
func found(dir, pattern string) ([]string, error) {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(dir, pattern)
	}
	files, err := filepath.Glob(pattern)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is neither a file nor a pattern; write for example profiles/*.yaml", pattern)
	case len(files) == 0:
		return nil, fmt.Errorf("there is no file %s", pattern)
	}
	return files, nil
}

// ReadProfiles reads files of profiles, or snmp.yml, with names from MIB
// modules in some directories: what profiles.files, .snmp_exporter and .mibs of
// a configuration would bring. The error is Problems.
func ReadProfiles(files, mibs []string) (held *profile.Set, warnings []string, err error) {
	p := Profiles{MIBs: mibs}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, fmt.Errorf("read profiles: %w", err)
		}
		// What a pattern would take for something else.
		file = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(file)
		if isExporter(data) {
			p.SNMPExporter = append(p.SNMPExporter, file)
		} else {
			p.Files = append(p.Files, file)
		}
	}
	held, warnings, ps := p.load(".")
	if held == nil && len(ps) == 0 {
		held = profile.BuiltInSet()
	}
	return held, warnings, ps.err()
}

// profileProblems says which entries of the inventory name profiles that are
// not held.
func (n *Node) profileProblems(nodes []Inventory) (ps Problems) {
	held := n.HeldProfiles()
	for i := range nodes {
		if _, err := held.Ref(nodes[i].ProfileName()); err != nil {
			ps.add(fmt.Sprintf("[%d].profile", i), "%v", err)
		}
	}
	return ps
}
