#include "pty.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* asm/termbits.h, which has termios2, excludes termios.h, which has these. */
enum { FLUSH_INPUT = TCIFLUSH };

static int open_slave(const struct pty *p)
{
    return open(p->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

/* A serial port that nobody has set up yet: raw, nothing is echoed, 115200. The settings outlive the descriptor. */
static bool make_raw(const struct pty *p)
{
    int slave = open_slave(p);
    if (slave < 0) {
        return false;
    }
    struct termios2 t;
    bool done = ioctl(slave, TCGETS2, &t) == 0;
    t.c_iflag = 0;
    t.c_oflag = 0;
    t.c_lflag = 0;
    t.c_cflag = CS8 | CREAD | CLOCAL | B115200;
    t.c_ispeed = 115200;
    t.c_ospeed = 115200;
    done = done && ioctl(slave, TCSETS2, &t) == 0;
    close(slave);
    return done;
}

/* Closing a serial port drops what was not read; a pseudo terminal keeps it for the next who opens. */
static void drop_unread(const struct pty *p)
{
    int slave = open_slave(p);
    if (slave >= 0) {
        (void)ioctl(slave, TCFLSH, FLUSH_INPUT);
        close(slave);
    }
}

static bool points_to(const char *link, const char *path)
{
    char target[sizeof(((struct pty *)0)->path)];
    ssize_t n = readlink(link, target, sizeof target);
    return n >= 0 && (size_t)n == strlen(path) && memcmp(target, path, (size_t)n) == 0;
}

static bool make_link(const struct pty *p)
{
    char *temporary;
    if (asprintf(&temporary, "%s.%d", p->link, (int)getpid()) < 0) {
        return false;
    }
    (void)unlink(temporary);
    bool done = symlink(p->path, temporary) == 0 && rename(temporary, p->link) == 0;
    if (!done) {
        fprintf(stderr, "hostcam: cannot make the link %s: %s\n", p->link, strerror(errno));
        (void)unlink(temporary);
    }
    free(temporary);
    return done;
}

bool pty_init(struct pty *p, const char *link)
{
    *p = (struct pty){.link = link, .master = -1};
    p->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (p->watch < 0) {
        perror("hostcam: inotify");
        return false;
    }
    return pty_plug(p);
}

bool pty_plug(struct pty *p)
{
    if (p->master >= 0) {
        return true;
    }
    p->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (p->master < 0 || grantpt(p->master) != 0 || unlockpt(p->master) != 0 ||
        ptsname_r(p->master, p->path, sizeof p->path) != 0 || !make_raw(p) ||
        inotify_add_watch(p->watch, p->path, IN_OPEN) < 0) {
        perror("hostcam: cannot make a terminal");
        pty_unplug(p);
        return false;
    }
    if (p->link != NULL && !make_link(p)) {
        pty_unplug(p);
        return false;
    }
    return true;
}

void pty_unplug(struct pty *p)
{
    if (p->link != NULL && p->path[0] != '\0' && points_to(p->link, p->path)) {
        (void)unlink(p->link);
    }
    if (p->master >= 0) {
        close(p->master);
    }
    p->master = -1;
    p->path[0] = '\0';
    p->open = false;
    p->baud = 0;
}

void pty_free(struct pty *p)
{
    pty_unplug(p);
    close(p->watch);
}

static void forget_events(const struct pty *p)
{
    char events[1024];
    while (read(p->watch, events, sizeof events) > 0) {
    }
}

void pty_look(struct pty *p)
{
    forget_events(p);
    if (p->master < 0) {
        return;
    }
    struct pollfd state = {.fd = p->master};
    bool was_open = p->open;
    p->open = poll(&state, 1, 0) >= 0 && (state.revents & POLLHUP) == 0;
    if (was_open && !p->open) {
        drop_unread(p);
    }
    struct termios2 t;
    p->baud = ioctl(p->master, TCGETS2, &t) == 0 ? t.c_ospeed : 0;
}

size_t pty_read(struct pty *p, uint8_t *buf, size_t n)
{
    ssize_t got = p->master < 0 ? 0 : read(p->master, buf, n);
    return got > 0 ? (size_t)got : 0;
}

size_t pty_write(struct pty *p, const uint8_t *buf, size_t n)
{
    ssize_t put = p->master < 0 ? 0 : write(p->master, buf, n);
    return put > 0 ? (size_t)put : 0;
}

bool pty_takes(const struct pty *p)
{
    struct pollfd state = {.fd = p->master, .events = POLLOUT};
    return p->master >= 0 && poll(&state, 1, 0) > 0 && (state.revents & POLLOUT) != 0;
}
