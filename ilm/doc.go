// Package ilm is a SIMONE node below the top: its agent, its support list,
// and its way up to the manager above. Whether it works as an
// intermediate-level manager or as a leaf is for its parent to say, at any
// time; a leaf is the same with an empty list.
package ilm
