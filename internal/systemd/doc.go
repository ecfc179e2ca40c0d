// Package systemd is how camgw behaves as a service: what it tells its service manager and when the watchdog is fed, which
// sockets it was handed, and how lines look in the journal. Without a service manager all of it does nothing.
package systemd
