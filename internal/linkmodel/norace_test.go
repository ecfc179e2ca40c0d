//go:build !race

package linkmodel

const underRace = false
