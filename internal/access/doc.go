// Package access decides who somebody is and what he may do. It knows users with
// passwords, tokens of programs, sessions of the page and signed links; it knows
// no HTTP, and no file format.
package access
