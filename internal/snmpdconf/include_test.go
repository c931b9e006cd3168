package snmpdconf

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// tree is a Directory in memory.
type tree map[string]string

func (t tree) ReadFile(name string) ([]byte, error) {
	text, ok := t[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(text), nil
}

func (t tree) Names(dir string) (names []string, err error) {
	for name := range t {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok && !strings.Contains(rest, "/") {
			names = append(names, rest)
		}
	}
	if names == nil {
		return nil, fs.ErrNotExist
	}
	return names, nil
}

func TestRead(t *testing.T) {
	d := tree{
		"/etc/snmp/snmpd.conf":         "a 1\nincludeFile more.conf\nb 2\nincludeDir /etc/snmp/d # all\nIncludeFile /gone.conf\nincludeDir /nowhere\n",
		"/etc/snmp/more.conf":          "c 3\nincludefile d/x.conf",
		"/etc/snmp/d/x.conf":           "d 4\n",
		"/etc/snmp/d/b.conf":           "e 5\n",
		"/etc/snmp/d/README":           "f 6\n",
		"/etc/snmp/circle/a.conf":      "includeFile b.conf\n",
		"/etc/snmp/circle/b.conf":      "includeFile a.conf\n",
		"/etc/snmp/circle/unread.conf": "# includeFile /gone.conf\n",
	}
	lines, problems, err := Read(d, "/etc/snmp/snmpd.conf")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range lines {
		if !strings.HasPrefix(strings.ToLower(l.Text), "include") {
			got = append(got, l.Text)
		}
	}
	if want := []string{"a 1", "c 3", "d 4", "b 2", "e 5", "d 4"}; !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
	if l := lines[3]; l.Text != "includefile d/x.conf" && l.File != "/etc/snmp/more.conf" {
		t.Errorf("the fourth line is %+v", l)
	}
	if len(problems) != 2 || !strings.Contains(problems[0], "/etc/snmp/snmpd.conf, line 5: ") || !strings.Contains(problems[1], "line 6: the directory") {
		t.Errorf("problems: %q", problems)
	}
	if _, problems, _ := Read(d, "/etc/snmp/circle/a.conf"); len(problems) != 1 || !strings.Contains(problems[0], "more than 16 deep") {
		t.Errorf("a circle: %q", problems)
	}
	if _, problems, _ := Read(d, "/etc/snmp/circle/unread.conf"); len(problems) != 0 {
		t.Errorf("a comment includes nothing: %q", problems)
	}
	if _, _, err := Read(d, "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// Of a setting in a file and in one that it includes the one read last counts,
// and its place is told.
func TestCheckFollowsIncludes(t *testing.T) {
	d := tree{"/a.conf": "master agentx\nincludeFile b.conf\n", "/b.conf": "# more\nmaster off\n"}
	lines, _, err := Read(d, "/a.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range full().Check(lines) {
		if strings.HasPrefix(f.Line.Text, "master") && (f.Status != Different || f.File != "/b.conf" || f.At != 2 || f.Have != "master off") {
			t.Errorf("%+v", f)
		}
	}
}
