/*
 * floor: the least that MJPEG over HTTP can cost, to measure servers against. Stamped JPEGs come on standard input,
 * one after the other; every viewer gets every picture by one write(2) of one shared buffer. One thread, one
 * epoll, nothing else: no serial line, no checks, no modes, no metrics.
 *
 *     floor        listens on a free port of 127.0.0.1, prints it, ends with its input
 *
 * A viewer whose socket is full gets the rest of its picture when there is room again, and until then no other
 * picture: the newest wins, nobody waits for anybody.
 */
#define _GNU_SOURCE
#include "stamp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=floor\r\n\r\n--floor\r\n"
#define PART "Content-Type: image/jpeg\r\nContent-Length: %zu\r\n\r\n"
#define TRAILER "\r\n--floor\r\n"

enum {
    EVENTS = 256,
    BACKLOG = 4096,
    HEAD_MAX = 96,
    PICTURE_MAX = 2 << 20,
    UNSENT_MAX = 128 << 10,
    PIPE_SIZE = 1 << 20,
};

/* A picture as it goes out, shared by the viewers still at it. */
struct part {
    size_t holders;
    size_t size;
    unsigned char bytes[];
};

struct viewer {
    int fd;
    size_t slot;       /* place in viewers, or NONE while the request is not whole */
    struct part *part; /* the picture it has not got all of, or NULL */
    size_t sent;
    bool full;        /* its socket, until there is room again */
    unsigned matched; /* bytes of the request's empty line seen so far */
};

#define NONE ((size_t)-1)

static struct viewer **viewers;
static size_t viewer_count, viewer_room;
static int poller, listener;

static unsigned char input[PICTURE_MAX];
static size_t input_fill, input_searched;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *must(void *memory)
{
    if (memory == NULL) {
        errno = ENOMEM;
        die("allocate");
    }
    return memory;
}

/* ---- Viewers ------------------------------------------------------------------------------ */

static void let_go(struct viewer *v)
{
    if (v->part != NULL && --v->part->holders == 0) {
        free(v->part);
    }
    v->part = NULL;
}

static void join(struct viewer *v)
{
    if (viewer_count == viewer_room) {
        viewer_room = viewer_room != 0 ? viewer_room * 2 : 64;
        viewers = must(realloc(viewers, viewer_room * sizeof(struct viewer *)));
    }
    v->slot = viewer_count;
    viewers[viewer_count++] = v;
}

static void leave(struct viewer *v)
{
    if (v->slot != NONE) {
        viewers[v->slot] = viewers[--viewer_count];
        viewers[v->slot]->slot = v->slot;
    }
    let_go(v);
    close(v->fd);
    free(v);
}

/* Writes what is left of part from v->sent on. False: the viewer is gone. */
static bool write_rest(struct viewer *v, struct part *part)
{
    ssize_t n = write(v->fd, part->bytes + v->sent, part->size - v->sent);
    if (n < 0) {
        if (errno != EAGAIN) {
            return false;
        }
        n = 0;
    }
    v->full = v->sent + (size_t)n < part->size;
    v->sent += (size_t)n;
    if (v->sent == part->size) {
        let_go(v);
    } else if (v->part == NULL && v->sent > 0) {
        v->part = part;
        part->holders++;
    }
    return true;
}

static void offer(struct part *part)
{
    part->holders = 1;
    for (size_t i = viewer_count; i-- > 0;) {
        struct viewer *v = viewers[i];
        if (v->full) {
            continue;
        }
        v->sent = 0;
        if (!write_rest(v, part)) {
            leave(v); /* the last takes its slot: it has had its turn */
        }
    }
    if (--part->holders == 0) {
        free(part);
    }
}

/* Reads towards the empty line that ends a request. False: the viewer is gone. */
static bool read_request(struct viewer *v)
{
    static const char end[] = "\r\n\r\n";
    char buffer[4096];
    ssize_t n;
    while ((n = read(v->fd, buffer, sizeof buffer)) > 0) {
        for (ssize_t i = 0; i < n && v->matched < 4; i++) {
            v->matched = buffer[i] == end[v->matched] ? v->matched + 1 : buffer[i] == '\r';
        }
        if (v->matched == 4 && v->slot == NONE) {
            if (write(v->fd, RESPONSE, sizeof RESPONSE - 1) != (ssize_t)sizeof RESPONSE - 1) {
                return false;
            }
            join(v);
        }
    }
    return n < 0 && errno == EAGAIN;
}

static void accept_all(void)
{
    int fd;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the kernel keeps v, until its socket is closed */
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int on = 1, unsent = UNSENT_MAX;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        /* Without it a viewer that stalls costs seconds of writing into a buffer of megabytes. */
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
        struct viewer *v = must(calloc(1, sizeof *v));
        v->fd = fd;
        v->slot = NONE;
        /* Edge-triggered, so that readiness need not be asked for anew around every full socket. */
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = v};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) != 0) {
            die("epoll_ctl");
        }
    }
    if (errno != EAGAIN && errno != ECONNABORTED) {
        die("accept");
    }
}

static void serve(struct viewer *v, uint32_t events)
{
    bool there = (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) == 0;
    if (there && (events & EPOLLIN) != 0) {
        there = read_request(v);
    }
    if (there && (events & EPOLLOUT) != 0) {
        v->full = false;
        there = v->part == NULL || write_rest(v, v->part);
    }
    if (!there) {
        leave(v);
    }
}

/* ---- Pictures ----------------------------------------------------------------------------- */

/* The size of the picture at the front of the input; 0 if it is not whole yet. */
static size_t picture_size(void)
{
    while (input_searched + STAMP_TAIL <= input_fill) {
        const unsigned char *from = input + input_searched;
        const unsigned char *ff = memchr(from, 0xFF, input_fill - input_searched - STAMP_TAIL + 1);
        if (ff == NULL) {
            input_searched = input_fill - STAMP_TAIL + 1;
            break;
        }
        input_searched = (size_t)(ff - input);
        if (ff[1] == 0xFE && memcmp(ff, STAMP_MAGIC, STAMP_MAGIC_SIZE) == 0) {
            return input_searched + STAMP_TAIL;
        }
        input_searched++;
    }
    return 0;
}

static struct part *make_part(size_t size)
{
    char head[HEAD_MAX];
    size_t head_size = (size_t)snprintf(head, sizeof head, PART, size);
    struct part *part = must(malloc(sizeof *part + head_size + size + sizeof TRAILER));
    memcpy(part->bytes, head, head_size);
    memcpy(part->bytes + head_size, input, size);
    memcpy(part->bytes + head_size + size, TRAILER, sizeof TRAILER - 1);
    part->size = head_size + size + sizeof TRAILER - 1;
    return part;
}

/* False: there will be no more. */
static bool take_in(void)
{
    if (input_fill == sizeof input) {
        errno = EMSGSIZE;
        die("a picture without a stamp");
    }
    ssize_t n = read(STDIN_FILENO, input + input_fill, sizeof input - input_fill);
    if (n <= 0) {
        return n < 0 && errno == EAGAIN;
    }
    input_fill += (size_t)n;
    for (size_t size; (size = picture_size()) != 0;) {
        struct part *part = make_part(size);
        input_fill -= size;
        memmove(input, input + size, input_fill);
        input_searched = 0;
        offer(part);
    }
    return true;
}

/* ---- All ---------------------------------------------------------------------------------- */

static void listen_somewhere(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof a) != 0 || listen(listener, BACKLOG) != 0 ||
        getsockname(listener, (struct sockaddr *)&a, &size) != 0) {
        die("listen");
    }
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
}

static void watch(int fd, void *what)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = what};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) != 0) {
        die("epoll_ctl");
    }
}

int main(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files); /* too few show when accepting */
    }
    signal(SIGPIPE, SIG_IGN);
    (void)fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_SIZE); /* or as large as it is */
    if (fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) != 0) {
        die("standard input");
    }
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0) {
        die("epoll_create1");
    }
    listen_somewhere();
    watch(STDIN_FILENO, input);
    watch(listener, &listener);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(poller, events, EVENTS, -1);
        bool pictures = false;
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == input) {
                pictures = true;
            } else if (events[i].data.ptr == &listener) {
                accept_all();
            } else {
                serve(events[i].data.ptr, events[i].events);
            }
        }
        /* Last: a viewer that fails here is freed, and may stand in the events. */
        if (pictures && !take_in()) {
            return 0;
        }
    }
}
