// Package web is everything camgw says over HTTP: streams, snapshots, the API, the page, health. It hides the
// quirks of the clients: the byte layout that each known player, browser and printer front end needs to show a
// picture, the addresses they ask for, and what they must be sent while there is no picture.
//
// A stream ends when the viewer leaves, stops reading, or the server's context ends; never because a camera
// went away. All that web knows of a camera is its frames (a [fanout.Hub]), its [Status] and its [Controls].
package web
