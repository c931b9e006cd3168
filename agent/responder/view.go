package responder

import (
	"math"

	"simone/mib"
)

// View is a part of the tree: the subtrees included, without those excluded;
// of two that cover a name the longer one decides, so that a part of what is
// excluded can be included again (RFC 3415, section 2.4, without masks). With
// nothing included everything is, so the zero View is the whole tree.
type View struct {
	Include []mib.OID
	Exclude []mib.OID
}

// Contains reports whether name lies in the view.
func (v *View) Contains(name mib.OID) bool {
	included := longest(v.Include, name)
	if len(v.Include) == 0 {
		included = 0
	}
	return included > longest(v.Exclude, name)
}

// longest is the length of the longest of the roots that covers name, or -1.
// It counts an exclusion of the whole tree as one that covers.
func longest(roots []mib.OID, name mib.OID) int {
	n := -1
	for _, r := range roots {
		if len(r) > n && name.HasPrefix(r) {
			n = len(r)
		}
	}
	return n
}

// skip gives, for a name outside the view, a name such that nothing of the
// view lies between the two, to go on from there; false is the end of the
// view. A walk thus leaps over what is excluded.
func (v *View) skip(name mib.OID) (mib.OID, bool) {
	var nearest mib.OID
	consider := func(o mib.OID) {
		if o.Compare(name) >= 0 && (nearest == nil || o.Compare(nearest) < 0) {
			nearest = o
		}
	}
	for _, r := range v.Include {
		consider(before(r))
	}
	for _, r := range v.Exclude {
		if name.HasPrefix(r) {
			consider(last(r))
		}
	}
	return nearest, nearest != nil
}

// last is the last name that can be in the subtree at root.
func last(root mib.OID) mib.OID {
	o := root.Append()
	for len(o) < mib.MaxOIDLen {
		o = append(o, math.MaxUint32)
	}
	return o
}

// before is the last name that can be before the subtree at root.
func before(root mib.OID) mib.OID {
	if len(root) == 0 {
		return mib.OID{}
	}
	i := len(root) - 1
	if root[i] == 0 {
		return root[:i]
	}
	o := root.Append()
	o[i]--
	return last(o)
}
