/*
 * The pseudo terminal that stands for the cable: it can be plugged and unplugged, knows whether anybody has the other
 * end open and at which rate, and keeps a symlink to itself.
 */
#ifndef HOSTCAM_PTY_H
#define HOSTCAM_PTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pty {
    const char *link; /* NULL: none; borrowed */
    char path[64];    /* of the slave; empty while unplugged */
    int master;       /* -1: unplugged */
    int watch;        /* inotify: tells when the slave is opened */
    bool open;        /* somebody else has the slave open */
    uint32_t baud;    /* the rate set on the slave; 0: none */
};

/* False: no terminal to be had, or the link cannot be made; said on stderr. */
bool pty_init(struct pty *p, const char *link);
bool pty_plug(struct pty *p);
/* Hangs up and removes the symlink, if it is still ours. */
void pty_unplug(struct pty *p);
void pty_free(struct pty *p);

/* Brings open and baud up to date. Call after reading: what was written before a close counts. */
void pty_look(struct pty *p);

/* Bytes moved; 0: none now. */
size_t pty_read(struct pty *p, uint8_t *buf, size_t n);
size_t pty_write(struct pty *p, const uint8_t *buf, size_t n);
/* True if a write would move something. */
bool pty_takes(const struct pty *p);

#endif
