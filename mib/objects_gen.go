package mib

// objects is every definition of SIMONE-MIB in order of OID.
var objects = []Object{}
