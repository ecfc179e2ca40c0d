// Package linkmodel checks the link against its model: the host's session of package camera and the C core of the
// firmware, the real ones, speak to each other over a line on which every packet meets every fault, and whatever
// either of them does must be in the tables of docs/link-model.md.
//
// It has tests and nothing else.
package linkmodel
