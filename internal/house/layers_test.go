package house

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"strings"
	"testing"
)

// layer is a package and what its code, tests aside, may import besides the
// standard library.
type layer struct {
	name    string
	below   string // packages of this module, all from further up in the table
	library string // modules of others; only here their types are known
}

// layers is the import graph from the bottom up (docs/ARCHITECTURE.md). A new
// package gets a line here, above all that are to import it.
var layers = []layer{
	{name: "mib/internal/smi"},
	{name: "mib/internal/genobjects", below: "mib/internal/smi"},
	{name: "mib"},
	{name: "profile", below: "mib"},
	{name: "temperature", library: "github.com/expr-lang/expr"},
	{name: "reconfig", below: "mib"},
	{name: "sim/heap"},
	{name: "sim/scenario"},
	{name: "sim", below: "mib reconfig sim/heap sim/scenario temperature", library: "gonum.org/v1/gonum"},
	{name: "sim/evaluation", below: "sim sim/scenario", library: "gonum.org/v1/plot"},
	{name: "sim/faults", below: "mib reconfig sim/heap"},
	{name: "internal/trace", below: "mib"},
	{name: "internal/replay", below: "mib sim sim/scenario internal/trace", library: "gonum.org/v1/gonum"},
	{name: "internal/snmp/usm"},
	{name: "internal/modules", below: "mib", library: "github.com/sleepinggenius2/gosmi"},
	{name: "internal/config", below: "mib profile sim/scenario temperature internal/snmp/usm internal/modules", library: "github.com/goccy/go-yaml"},
	{name: "internal/snmp", below: "mib internal/snmp/usm", library: "github.com/gosnmp/gosnmp golang.org/x/sys"},
	{name: "internal/device", below: "mib internal/snmp"},
	{name: "internal/pollbench", below: "mib internal/snmp internal/snmp/usm internal/device", library: "github.com/gosnmp/gosnmp"},
	{name: "internal/snmpdconf", below: "mib internal/snmp/usm"},
	{name: "internal/store/storetest", below: "mib reconfig", library: "pgregory.net/rapid"},
	{name: "internal/store", below: "mib reconfig", library: "go.etcd.io/bbolt"},
	{name: "internal/store/etcd", below: "mib reconfig internal/store", library: "go.etcd.io/etcd/client/v3 go.etcd.io/etcd/api/v3 google.golang.org/grpc go.uber.org/zap"},
	{name: "agent", below: "mib", library: "github.com/prometheus/procfs"},
	{name: "agent/responder", below: "mib internal/snmp internal/snmp/usm"},
	{name: "agent/agentx", below: "mib"},
	{name: "manager", below: "mib profile reconfig temperature"},
	{name: "ilm", below: "agent manager mib profile reconfig"},
	{name: "tlm", below: "internal/config internal/trace manager mib profile reconfig"},
	{name: "internal/ilmbench", below: "mib profile manager internal/snmp internal/store internal/pollbench agent/responder"},
	{name: "internal/testbed", below: "*"},
	{name: "internal/app/chassis", below: "*"},
	{name: "internal/app/node", below: "*"},
	{name: "internal/app/top", below: "*"},
	{name: "internal/app/demo", below: "*", library: "github.com/spf13/cobra golang.org/x/term"},
	{name: "internal/app/sim", below: "*", library: "github.com/spf13/cobra github.com/goccy/go-yaml golang.org/x/term"},
	{name: "internal/app/ctl", below: "*", library: "github.com/spf13/cobra github.com/goccy/go-yaml golang.org/x/sys golang.org/x/term"},
	{name: "cmd/simoned", below: "internal/app/node"},
	{name: "cmd/simone-tlm", below: "internal/app/top"},
	{name: "cmd/simonectl", below: "internal/app/ctl internal/app/demo internal/app/sim"},
	{name: "internal/frontends"}, // has tests only
	{name: "internal/house"},     // has tests only
}

// forTests are the packages that tests alone import.
var forTests = []string{"internal/testbed", "internal/store/storetest"}

// testLibraries are what any test may use.
var testLibraries = []string{"pgregory.net/rapid", "github.com/gosnmp/gosnmp", "github.com/posteo/go-agentx"}

// never are imports that the order of the table would allow.
var never = [][2]string{
	{"ilm", "tlm"}, {"tlm", "ilm"}, // they share manager, and nothing of their own
	// Two daemons, which have the chassis in common.
	{"internal/app/top", "internal/app/node"},
}

func TestLayersPointDown(t *testing.T) {
	seen := make(map[string]bool)
	for _, l := range layers {
		if seen[l.name] {
			t.Errorf("%s stands in the table twice", l.name)
		}
		for _, b := range strings.Fields(l.below) {
			if b != "*" && !seen[b] {
				t.Errorf("%s may import %s, which does not stand above it in the table: imports point down", l.name, b)
			}
		}
		seen[l.name] = true
	}
}

func TestImports(t *testing.T) {
	all := packages(t)
	rank := make(map[string]int)
	for i, l := range layers {
		rank[l.name] = i
		if all[l.name] == nil {
			t.Errorf("%s is in the table of layers and not in the repository", l.name)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(all)) {
		t.Run(dir, func(t *testing.T) {
			i, ok := rank[dir]
			if !ok {
				t.Fatal("the package is not in the table of layers: add it there, with what it may import")
			}
			for _, f := range all[dir] {
				for _, path := range f.imports() {
					if why := forbidden(layers[i], rank, path, f.test); why != "" {
						t.Errorf("%s imports %s: %s", f.name, path, why)
					}
				}
			}
		})
	}
}

// forbidden says why a file of l must not import path; "" if it may.
func forbidden(l layer, rank map[string]int, path string, test bool) string {
	if own, ok := strings.CutPrefix(path, module); ok {
		switch {
		case slices.Contains(never, [2]string{l.name, own}):
			return "these two stay apart"
		case slices.Contains(forTests, own) && own != l.name && !test:
			return "what is made for tests does not ship"
		case own == l.name || test:
			// A test puts together what it tests with, the testbed above it included.
			return ""
		case l.below == "*" && rank[own] < rank[l.name]:
			return ""
		case !slices.Contains(strings.Fields(l.below), own):
			return fmt.Sprintf("%s may import %s of this module", l.name, orNothing(l.below))
		}
		return ""
	}
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return "" // the standard library
	}
	allowed := strings.Fields(l.library)
	if test {
		allowed = append(allowed, testLibraries...)
	}
	for _, m := range allowed {
		if path == m || strings.HasPrefix(path, m+"/") {
			return ""
		}
	}
	return fmt.Sprintf("%s may use %s", l.name, orNothing(strings.Join(allowed, " ")))
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func TestForbidden(t *testing.T) {
	rank := make(map[string]int)
	for i, l := range layers {
		rank[l.name] = i
	}
	for _, tc := range []struct {
		from, path string
		test, want bool // want: it is forbidden
	}{
		{"mib", "net/netip", false, false},
		{"mib", "simone/reconfig", false, true},
		{"mib", "simone/mib/internal/smi", true, false},
		{"reconfig", "simone/mib", false, false},
		{"reconfig", "simone/internal/testbed", true, false},
		{"ilm", "simone/tlm", false, true},
		{"ilm", "simone/tlm", true, true},
		{"tlm", "simone/ilm", true, true},
		{"manager", "go.etcd.io/bbolt", false, true},
		{"internal/store", "go.etcd.io/bbolt/errors", false, false},
		{"internal/store", "go.etcd.io/bboltx", false, true},
		{"manager", "pgregory.net/rapid", true, false},
		{"manager", "pgregory.net/rapid", false, true},
		{"internal/app/ctl", "simone/internal/testbed", false, true},
		{"internal/app/ctl", "simone/internal/snmp", false, false},
		{"internal/app/ctl", "simone/cmd/simoned", false, true},
		{"internal/app/node", "simone/internal/testbed", false, true},
		{"internal/app/top", "simone/internal/app/node", false, true},
	} {
		t.Run(tc.from+" "+tc.path, func(t *testing.T) {
			if why := forbidden(layers[rank[tc.from]], rank, tc.path, tc.test); (why != "") != tc.want {
				t.Errorf("test file %v: %q", tc.test, why)
			}
		})
	}
}

// A library's types in what an adapter exports would be known to all that use
// the adapter, without an import. Only the programs use what internal/app
// exports, and the imports of those are in the table.
func TestLibraryTypesStopAtTheirAdapter(t *testing.T) {
	all := packages(t)
	for _, l := range layers {
		if strings.HasPrefix(l.name, "internal/app/") || slices.Contains(forTests, l.name) {
			continue
		}
		for _, f := range all[l.name] {
			if f.test {
				continue
			}
			for _, path := range f.imports() {
				if !slices.ContainsFunc(strings.Fields(l.library), func(m string) bool { return path == m || strings.HasPrefix(path, m+"/") }) {
					continue
				}
				library := f.local(path)
				for _, what := range exposed(f.File, library) {
					t.Errorf("%s: %s shows a type of %s to all that import it", f.name, what, path)
				}
			}
		}
	}
}

// exposed names the exported declarations whose types mention the package
// that is called library in the file.
func exposed(f *ast.File, library string) (names []string) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && (d.Recv == nil || exportedReceiver(d.Recv)) && mentions(d.Type, library) {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() && mentions(s.Type, library) {
						names = append(names, s.Name.Name)
					}
				case *ast.ValueSpec:
					// The value too: a variable without a type has that of its value.
					if s.Names[0].IsExported() && (s.Type != nil && mentions(s.Type, library) || s.Type == nil && slices.ContainsFunc(s.Values, func(v ast.Expr) bool { return mentions(v, library) })) {
						names = append(names, s.Names[0].Name)
					}
				}
			}
		}
	}
	return names
}

func exportedReceiver(recv *ast.FieldList) bool {
	name := ""
	ast.Inspect(recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return true
	})
	return ast.IsExported(name)
}

// mentions reports whether a type says library.Something outside its
// unexported fields and methods.
func mentions(in ast.Node, library string) (found bool) {
	ast.Inspect(in, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			if len(n.Names) > 0 && !slices.ContainsFunc(n.Names, (*ast.Ident).IsExported) && !parameter(in, n) {
				return false
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == library {
				found = true
			}
		}
		return !found
	})
	return found
}

// parameter reports whether a field is one of a function type: names of
// parameters hide nothing.
func parameter(in ast.Node, f *ast.Field) (is bool) {
	ast.Inspect(in, func(n ast.Node) bool {
		if ft, ok := n.(*ast.FuncType); ok {
			for _, list := range []*ast.FieldList{ft.TypeParams, ft.Params, ft.Results} {
				is = is || list != nil && slices.Contains(list.List, f)
			}
		}
		return !is
	})
	return is
}

// pure are packages that run in a daemon and in a simulation alike: time and
// chance come in from outside, and nothing goes out.
var pure = map[string]string{
	"mib":         "cmp embed encoding/binary errors fmt math net/netip reflect slices strconv strings sync sync/atomic time unicode unicode/utf8",
	"sim/heap":    "slices",
	"reconfig":    "cmp container/heap encoding/binary errors fmt hash/fnv math math/bits math/rand/v2 slices sort strconv strings time maps",
	"temperature": "errors fmt math math/bits slices strconv strings time",
}

// Only direct imports are looked at: fmt itself imports os.
func TestPurePackages(t *testing.T) {
	all := packages(t)
	for _, dir := range slices.Sorted(maps.Keys(pure)) {
		allowed := strings.Fields(pure[dir])
		for _, f := range all[dir] {
			if f.test {
				continue
			}
			for _, path := range f.imports() {
				if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") && !strings.HasPrefix(path, module) && !slices.Contains(allowed, path) {
					t.Errorf("%s imports %s: %s is pure; if this does no I/O, add it to the table", f.name, path, dir)
				}
			}
			for _, what := range impure(f) {
				t.Errorf("%s has %s: %s is pure, what it needs is passed in", f.name, what, dir)
			}
		}
	}
}

// impure names what reads a clock, rolls global dice or starts a goroutine.
func impure(f source) (found []string) {
	clock, dice := f.local("time"), f.local("math/rand/v2")
	ast.Inspect(f.File, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, "a go statement")
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok {
				break
			}
			switch name := n.Sel.Name; {
			case clock != "" && x.Name == clock && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}, name),
				dice != "" && x.Name == dice && !slices.Contains([]string{"New", "NewPCG", "NewChaCha8", "Rand", "Source", "PCG", "ChaCha8"}, name):
				found = append(found, x.Name+"."+name)
			}
		}
		return true
	})
	return found
}
