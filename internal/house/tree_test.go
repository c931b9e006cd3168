package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the repository, seen from this package.
const root = "../.."

// module is what import paths of this repository begin with.
const module = "simone/"

// source is one Go file, read whatever the system it is built on.
type source struct {
	name string // from the root, with slashes
	test bool
	*ast.File
}

// imports are the file's import paths.
func (s source) imports() []string {
	var paths []string
	for _, i := range s.Imports {
		paths = append(paths, strings.Trim(i.Path.Value, `"`))
	}
	return paths
}

// name of the package that path is in the file, or "" if it is not imported.
// Packages are taken to be called as their path ends, but for a version.
func (s source) local(importPath string) string {
	for _, i := range s.Imports {
		if strings.Trim(i.Path.Value, `"`) != importPath {
			continue
		}
		if i.Name != nil {
			return i.Name.Name
		}
		base := path.Base(importPath)
		if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
			base = path.Base(path.Dir(importPath))
		}
		return strings.TrimPrefix(base, "go-")
	}
	return ""
}

// files lists the repository's files from the root, with slashes. What git
// does not keep is left out by name: it comes and goes.
func files(tb testing.TB) []string {
	tb.Helper()
	var names []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() {
			if slices.Contains([]string{".git", ".tools", "bin", "var", "mib/base"}, name) || path.Base(name) == "testdata" && strings.Contains(name, "fuzz") {
				return fs.SkipDir
			}
			return nil
		}
		// In a worktree .git is a file that says where the clone is.
		if ext := path.Ext(name); d.Type().IsRegular() && name != ".git" && ext != ".test" && ext != ".prof" {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return names
}

// packages reads all Go files, by the package's folder.
func packages(tb testing.TB) map[string][]source {
	tb.Helper()
	all := make(map[string][]source)
	set := token.NewFileSet()
	for _, name := range files(tb) {
		if path.Ext(name) != ".go" {
			continue
		}
		f, err := parser.ParseFile(set, filepath.Join(root, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			tb.Fatal(err)
		}
		dir := path.Dir(name)
		all[dir] = append(all[dir], source{name, strings.HasSuffix(name, "_test.go"), f})
	}
	if len(all["mib"]) == 0 {
		tb.Fatal("package mib is not there: this is not the repository")
	}
	return all
}

// text is a file's content.
func text(tb testing.TB, name string) string {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}
