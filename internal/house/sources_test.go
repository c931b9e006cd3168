package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// Who opens a package for the first time looks in one place.
func TestPackageComments(t *testing.T) {
	all := packages(t)
	for _, dir := range slices.Sorted(maps.Keys(all)) {
		t.Run(dir, func(t *testing.T) {
			var at []string
			for _, f := range all[dir] {
				if f.Doc == nil {
					continue
				}
				at = append(at, path.Base(f.name))
				want := []string{"Package " + f.Name.Name + " "}
				if f.Name.Name == "main" {
					name := path.Base(dir)
					want = []string{"Command " + name + " ", strings.ToUpper(name[:1]) + name[1:] + " "}
				}
				if !slices.ContainsFunc(want, func(w string) bool { return strings.HasPrefix(f.Doc.Text(), w) }) {
					t.Errorf("the comment in %s does not begin with %q", f.name, want)
				}
			}
			if places := []string{"doc.go", "main.go", path.Base(dir) + ".go"}; len(at) != 1 || !slices.Contains(places, at[0]) {
				t.Errorf("package comments stand in %v: there has to be one, in one of %v", at, places)
			}
		})
	}
}

// What runs before main runs in every test and every tool, and nobody asked.
func TestNothingRunsAtInit(t *testing.T) {
	all := packages(t)
	for _, dir := range slices.Sorted(maps.Keys(all)) {
		for _, f := range all[dir] {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s has a func init: let who needs it call it by name", f.name)
				}
			}
		}
	}
}

// foreign are words that hold on one machine or network only. The patterns do
// not match themselves.
var foreign = []struct {
	what    string
	pattern *regexp.Regexp
}{
	{"an absolute path of somebody's machine", regexp.MustCompile(`(?:^|[^\w.~/$*})-])/(?:root|home|work|workspace|Users|tmp)/[\w.]`)},
	{"the host name of a registry or mirror", regexp.MustCompile(`(?i)\b(?:registry|proxy|sum|index|files|deb|security|ftp|archive|mirrors?)\.(?:[a-z0-9-]+\.)*[a-z0-9-]+\.(?:org|com|net|io|dev)\b`)},
}

func TestNoForeignWords(t *testing.T) {
	for _, name := range files(t) {
		content := text(t, name)
		if !utf8.ValidString(content) {
			t.Errorf("%s is not text: what is not made by a command does not belong here", name)
			continue
		}
		number := 0
		for line := range strings.Lines(content) {
			number++
			for _, f := range foreign {
				if found := f.pattern.FindString(line); found != "" {
					t.Errorf("%s:%d has %s: %q", name, number, f.what, strings.TrimSpace(found))
				}
			}
		}
	}
}

func TestForeignWordsAreFound(t *testing.T) {
	slash := "/"
	for _, tc := range []struct {
		text string
		want bool
	}{
		{"cd " + slash + "root" + slash + "x", true},
		{`"` + slash + "home" + slash + `me"`, true},
		{"see " + "registry" + ".npmjs.org", true},
		{"https:" + slash + slash + "proxy" + ".golang.org", true},
		{"state: /var/lib/simone", false},
		{"$HOME/work/x and ../home/y", false},
		{"n2.example.net:1161", false},
		{"internal/tmp/x", false},
	} {
		t.Run(tc.text, func(t *testing.T) {
			got := slices.ContainsFunc(foreign, func(f struct {
				what    string
				pattern *regexp.Regexp
			}) bool {
				return f.pattern.MatchString(tc.text)
			})
			if got != tc.want {
				t.Errorf("found: %v", got)
			}
		})
	}
}

func mustParse(tb testing.TB, src string) *ast.File {
	tb.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nimport (\"net/http\"; \"time\"; \"math/rand/v2\")\n"+src, parser.SkipObjectResolution)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func TestExposed(t *testing.T) {
	for _, tc := range []struct {
		src  string
		want string
	}{
		{"func F(c *http.Client) {}", "F"},
		{"func F() (int, []http.Header) { return 0, nil }", "F"},
		{"func f(c *http.Client) {}", ""},
		{"func F() { var c http.Client; _ = c }", ""},
		{"type T struct { C http.Client }", "T"},
		{"type T struct { c http.Client }", ""},
		{"type T struct { http.Client }", "T"},
		{"type T interface { M(c http.Client) }", "T"},
		{"type T interface { m(c http.Client) }", ""},
		{"type T func(c http.Client)", "T"},
		{"type t struct { C http.Client }", ""},
		{"func (x *T) M(c http.Client) {}", "M"},
		{"func (x *t) M(c http.Client) {}", ""},
		{"var V = http.DefaultClient", "V"},
		{"var V error = http.ErrAbortHandler", ""},
		{"func F[C http.Handler](c C) {}", "F"},
	} {
		t.Run(tc.src, func(t *testing.T) {
			if got := strings.Join(exposed(mustParse(t, tc.src), "http"), " "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestImpure(t *testing.T) {
	for _, tc := range []struct{ src, want string }{
		{"var d = 3 * time.Second", ""},
		{"func f() { time.Now() }", "time.Now"},
		{"var f = time.Since", "time.Since"},
		{"func f() int { return rand.IntN(3) }", "rand.IntN"},
		{"func f(r *rand.Rand) int { return r.IntN(3) }", ""},
		{"func f() { go f() }", "a go statement"},
	} {
		t.Run(tc.src, func(t *testing.T) {
			if got := strings.Join(impure(source{File: mustParse(t, tc.src)}), " "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
