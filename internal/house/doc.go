// Package house has no code of its own: its tests hold the repository as a
// whole to what no single package can check. Imports point down and libraries
// stay behind their adapters (layers_test.go); packages are documented once,
// and sources have no word that belongs to one machine (sources_test.go); what
// the documents promise is there (documents_test.go).
package house
