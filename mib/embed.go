package mib

import _ "embed"

//go:embed SIMONE-MIB.txt
var text string

// ModuleText gives SIMONE-MIB as it is in this directory, for tools that
// print or install it.
func ModuleText() string { return text }
