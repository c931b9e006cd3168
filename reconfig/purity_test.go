package reconfig

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"simone/mib"
)

// The engine and the list are steppable because they do nothing by
// themselves: no clock, no timer, no goroutine, no global chance, no I/O.
func TestPurity(t *testing.T) {
	allowed := []string{
		"cmp", "container/heap", "encoding/binary", "errors", "fmt", "hash/fnv", "maps", "math", "math/bits", "math/rand/v2", "slices", "sort", "strconv",
		"strings", "time", "simone/mib",
	}
	banned := map[string][]string{
		"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"},
		"fmt":  {"Print", "Printf", "Println", "Fprint", "Fprintf", "Fprintln", "Scan", "Scanf", "Scanln"},
	}
	random := []string{"Rand", "New", "NewPCG"} // what math/rand/v2 may be used for: seeded sources
	for _, name := range sources(t) {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range file.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			if !slices.Contains(allowed, path) || imp.Name != nil {
				t.Errorf("%s imports %s, which is not on the list of this test", name, imp.Path.Value)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt, *ast.SelectStmt, *ast.SendStmt, *ast.ChanType:
				t.Errorf("%v: goroutines and channels are the host's", fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				pkg, ok := n.X.(*ast.Ident)
				if !ok {
					break
				}
				if slices.Contains(banned[pkg.Name], n.Sel.Name) || pkg.Name == "rand" && !slices.Contains(random, n.Sel.Name) {
					t.Errorf("%v: %s.%s", fset.Position(n.Pos()), pkg.Name, n.Sel.Name)
				}
			}
			return true
		})
	}
}

// sources is the files of this package that ship.
func sources(t *testing.T) (names []string) {
	all, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if !strings.HasSuffix(name, "_test.go") {
			names = append(names, name)
		}
	}
	if len(names) < 10 {
		t.Fatalf("only %d files found: the test looks in the wrong place", len(names))
	}
	return names
}

// The words of the event table are those of the MIB, number for number.
func TestKindsAreTheMIBs(t *testing.T) {
	o, ok := mib.ObjectByOID(mib.SimoneEventKind)
	if !ok {
		t.Fatal("the MIB has no simoneEventKind")
	}
	if got, want := len(kindNames)-1, len(o.Syntax.Enum); got != want {
		t.Errorf("%d kinds here, %d in the MIB", got, want)
	}
	for _, e := range o.Syntax.Enum {
		if got := Kind(e.Value).String(); got != e.Name {
			t.Errorf("kind %d is %q here and %q in the MIB", e.Value, got, e.Name)
		}
	}
}
