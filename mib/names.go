package mib

import (
	"fmt"
	"slices"
	"strings"
)

//go:generate go run ./internal/genobjects SIMONE-MIB.txt objects_gen.go

// Module is the name of SIMONE's MIB module.
const Module = "SIMONE-MIB"

// Objects lists every definition of SIMONE-MIB in order of OID. It is the
// caller's to keep; what its elements point to is not to be changed.
func Objects() []Object { return slices.Clone(objects) }

// ObjectByOID finds the definition that stands exactly at an OID.
func ObjectByOID(o OID) (*Object, bool) {
	i, ok := searchObjects(o)
	if !ok {
		return nil, false
	}
	return &objects[i], true
}

// ObjectByName finds a definition by its name in the MIB.
func ObjectByName(name string) (*Object, bool) {
	i := slices.IndexFunc(objects, func(o Object) bool { return o.Name == name })
	if i < 0 {
		return nil, false
	}
	return &objects[i], true
}

// ObjectsBelow lists the definitions inside a subtree, without its root. The
// slice aliases the package's table: do not change it.
func ObjectsBelow(root OID) []Object {
	i, exact := searchObjects(root)
	if exact {
		i++
	}
	j := i
	for j < len(objects) && objects[j].OID.HasPrefix(root) {
		j++
	}
	return objects[i:j:j]
}

func searchObjects(o OID) (int, bool) {
	return slices.BinarySearchFunc(objects, o, func(d Object, o OID) int { return d.OID.Compare(o) })
}

// Resolve turns what an operator types into an OID: a name of SIMONE-MIB with
// or without an instance, with or without "SIMONE-MIB::" before it
// (simoneThresholdSplit.0, SIMONE-MIB::simoneSupportName.17), or numbers.
func Resolve(name string) (OID, error) {
	trimmed := strings.TrimPrefix(name, Module+"::")
	if trimmed == "" {
		return nil, fmt.Errorf("resolve %q: the name is empty", name)
	}
	if c := trimmed[0]; c == '.' || '0' <= c && c <= '9' {
		return ParseOID(trimmed)
	}
	if module, _, ok := strings.Cut(trimmed, "::"); ok {
		return nil, fmt.Errorf("resolve %q: only names of %s are known, none of %s; write it in numbers", name, Module, module)
	}
	label, instance, hasInstance := strings.Cut(trimmed, ".")
	object, ok := ObjectByName(label)
	if !ok {
		return nil, fmt.Errorf("resolve %q: %s has no object %q%s", name, Module, label, suggestion(label))
	}
	if !hasInstance {
		return object.OID, nil
	}
	rest, err := ParseOID(instance)
	if err != nil {
		return nil, fmt.Errorf("resolve %q: after the name: %w", name, err)
	}
	if len(object.OID)+len(rest) > MaxOIDLen {
		return nil, fmt.Errorf("resolve %q: more than %d parts", name, MaxOIDLen)
	}
	return object.OID.Append(rest...), nil
}

// suggestion names what may have been meant: an object that differs in case
// only, or one that ends so.
func suggestion(label string) string {
	for _, o := range objects {
		if strings.EqualFold(o.Name, label) {
			return "; did you mean " + o.Name + "?"
		}
	}
	for _, o := range objects {
		if strings.HasSuffix(strings.ToLower(o.Name), strings.ToLower(label)) {
			return "; did you mean " + o.Name + "?"
		}
	}
	return ""
}

// NameOf is Resolve's inverse: the name of the closest definition above and
// the rest in numbers, or numbers alone for what is not in SIMONE-MIB.
func NameOf(o OID) string {
	object, rest := Locate(o)
	if object == nil {
		return o.String()
	}
	return object.Name + rest.String()
}

// Locate finds the definition that an instance belongs to, and what of the
// name is left: ".0" for a scalar, the index for a column. The definition is
// nil for what is not in SIMONE-MIB.
func Locate(o OID) (*Object, OID) {
	// Definitions sort before what lies below them, but siblings' subtrees
	// stand between: shorten the name until it is one.
	for n := len(o); n > 0; n-- {
		i, ok := searchObjects(o[:n])
		if ok {
			return &objects[i], o[n:]
		}
		if i == 0 {
			break
		}
	}
	return nil, nil
}
