/*
 * viewers: many viewers of one MJPEG stream in one thread and one epoll.
 *
 *     viewers PORT PATH COUNT STALLED WARM_UP WINDOW
 *
 * COUNT connections to 127.0.0.1 ask for PATH. STALLED of them, spread evenly, stop reading after their first
 * picture and stay. When all have a picture (or FIRST_LIMIT is over) and WARM_UP seconds have passed it prints
 * "begin", after WINDOW seconds more "end" and one JSON object about the others in between:
 *
 *     frames              pictures received whole
 *     lost                gaps in the sequence, summed over viewers; of which nobody got: unseen, times the viewers
 *     repeated            pictures that a viewer had got before
 *     unstamped           pictures from elsewhere: a no-signal picture, a damaged end
 *     worst, median       pictures of the viewer that got fewest, and of the one in the middle
 *     age_us              from the stamp to when the last byte was read: p50, p90, p99, max
 *     refused, closed, stalled_closed
 *                         answers other than 200 or none; good and stalled viewers that the server cut off so far
 *     cpu_s, window_s     CPU time of this program, and the true length of the window
 *
 * Bodies are counted off by Content-Length, never searched, and a picture costs one read(2): what viewers cost must
 * not hide what the server costs. A chunked answer is not understood.
 */
#define _GNU_SOURCE
#include "stamp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define NS_PER_S 1000000000u
#define FIRST_LIMIT_NS (20ull * NS_PER_S)

enum {
    LINE_MAX_SIZE = 128, /* the rest of a longer line is ignored */
    EVENTS = 512,
    READ_SIZE = 256 << 10,
    ONE_HOST = 20000, /* connections per local address: it has no more ports */
    SEEN_MAX = 1 << 20,
};

struct viewer {
    int fd; /* -1: gone */
    bool stalled;
    bool refused;
    bool begun; /* it has got a stamped picture */

    /* Of the part under way. */
    char line[LINE_MAX_SIZE];
    size_t line_fill;
    size_t length; /* as its header says; 0: not said yet */
    size_t left;   /* bytes of the body to come; 0: in the header */
    unsigned char tail[STAMP_TAIL];

    uint64_t last;
    uint64_t frames, lost, repeated, unstamped; /* in the window */
};

static struct viewer *viewers;
static size_t viewer_count, waiting_for_first;
static int poller;

static bool counting;
static uint32_t *ages_us;
static size_t age_count, age_room;
static uint64_t seen_base, seen_end;
static bool seen[SEEN_MAX];

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "viewers: %s: %s\n", what, strerror(errno));
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

/* ---- What a picture tells ----------------------------------------------------------------- */

static void note_seen(uint64_t sequence)
{
    if (seen_end == 0) {
        seen_base = sequence;
        seen_end = sequence;
    }
    if (sequence >= seen_base && sequence - seen_base < SEEN_MAX) {
        seen[sequence - seen_base] = true;
        seen_end = sequence + 1 > seen_end ? sequence + 1 : seen_end;
    }
}

static void note_age(uint64_t age_ns)
{
    if (age_count == age_room) {
        age_room = age_room != 0 ? age_room * 2 : 1 << 16;
        ages_us = must(realloc(ages_us, age_room * sizeof *ages_us));
    }
    uint64_t us = age_ns / 1000;
    ages_us[age_count++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static void got_picture(struct viewer *v, uint64_t now_ns)
{
    struct stamp s;
    if (v->length < STAMP_TAIL || !stamp_read(&s, v->tail)) {
        v->unstamped += counting;
        return;
    }
    if (!v->begun) {
        v->begun = true;
        waiting_for_first--;
    } else if (s.sequence <= v->last) {
        v->repeated += counting;
        return;
    } else if (counting) {
        v->lost += s.sequence - v->last - 1;
    }
    v->last = s.sequence;
    if (counting) {
        v->frames++;
        if (!v->stalled) {
            note_seen(s.sequence);
            note_age(now_ns - s.taken_ns);
        }
    }
}

/* ---- Bytes -------------------------------------------------------------------------------- */

static void got_line(struct viewer *v)
{
    static const char status[] = "HTTP/1.", length[] = "Content-Length:";
    size_t n = v->line_fill;
    v->line[n < LINE_MAX_SIZE ? n : LINE_MAX_SIZE - 1] = '\0';
    v->line_fill = 0;
    if (strncmp(v->line, status, sizeof status - 1) == 0) {
        v->refused = strncmp(v->line + sizeof status, " 200", 4) != 0;
    } else if (strncasecmp(v->line, length, sizeof length - 1) == 0) {
        v->length = (size_t)strtoul(v->line + sizeof length - 1, NULL, 10);
    } else if (n == 0) {
        v->left = v->length; /* of the response's own header, which has none: 0 */
    }
}

/* Takes what belongs to the header; returns how much that was. */
static size_t take_header(struct viewer *v, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n') {
            got_line(v);
            if (v->left != 0) {
                return i + 1;
            }
        } else if (p[i] != '\r' && v->line_fill < LINE_MAX_SIZE - 1) {
            v->line[v->line_fill++] = (char)p[i];
        }
    }
    return n;
}

/* Takes what belongs to the body, keeping its last STAMP_TAIL bytes. */
static size_t take_body(struct viewer *v, const unsigned char *p, size_t n, uint64_t now_ns)
{
    n = n < v->left ? n : v->left;
    size_t after = v->left - n; /* bytes of the body behind these */
    if (after < STAMP_TAIL) {
        size_t end = STAMP_TAIL - after; /* in the tail */
        size_t size = n < end ? n : end;
        memcpy(v->tail + end - size, p + n - size, size);
    }
    v->left = after;
    if (after == 0) {
        got_picture(v, now_ns);
        v->length = 0;
    }
    return n;
}

static void take(struct viewer *v, const unsigned char *p, size_t n)
{
    uint64_t now_ns = monotonic_ns();
    for (size_t used = 0; used < n && !v->refused;) {
        used += v->left == 0 ? take_header(v, p + used, n - used) : take_body(v, p + used, n - used, now_ns);
    }
}

/* ---- Connections -------------------------------------------------------------------------- */

static void lose(struct viewer *v)
{
    close(v->fd);
    v->fd = -1;
    waiting_for_first -= !v->begun;
}

/* A viewer that stalls is still told when the server gives it up. */
static void stop_reading(struct viewer *v)
{
    struct epoll_event e = {.events = EPOLLRDHUP, .data.ptr = v};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, v->fd, &e) != 0) {
        die("epoll_ctl");
    }
}

static void serve(struct viewer *v, uint32_t events)
{
    static unsigned char buffer[READ_SIZE];
    if (v->stalled && v->begun) {
        if ((events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0) {
            lose(v);
        }
        return;
    }
    ssize_t n = read(v->fd, buffer, sizeof buffer);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n > 0) {
        take(v, buffer, (size_t)n);
    }
    if (n <= 0 || v->refused) {
        lose(v);
    } else if (v->stalled && v->begun) {
        stop_reading(v);
    }
}

static void serve_all(int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(poller, events, EVENTS, timeout_ms);
    for (int i = 0; i < n; i++) {
        serve(events[i].data.ptr, events[i].events);
    }
}

static void join(struct viewer *v, size_t index, uint16_t port, const char *request)
{
    struct sockaddr_in server = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in self = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(index / ONE_HOST))};
    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (v->fd < 0) {
        die("socket");
    }
    size_t size = strlen(request);
    if ((index >= ONE_HOST && bind(v->fd, (struct sockaddr *)&self, sizeof self) != 0) ||
        connect(v->fd, (struct sockaddr *)&server, sizeof server) != 0 ||
        write(v->fd, request, size) != (ssize_t)size) {
        v->refused = true;
        lose(v);
        return;
    }
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = v};
    if (fcntl(v->fd, F_SETFL, O_NONBLOCK) != 0 || epoll_ctl(poller, EPOLL_CTL_ADD, v->fd, &e) != 0) {
        die("epoll_ctl");
    }
}

static void join_all(uint16_t port, const char *path, size_t stalled)
{
    char *request;
    if (asprintf(&request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: viewers\r\nAccept: */*\r\n\r\n", path,
                 port) < 0) {
        die("allocate");
    }
    waiting_for_first = viewer_count;
    for (size_t i = 0; i < viewer_count; i++) {
        viewers[i].stalled = (i + 1) * stalled / viewer_count != i * stalled / viewer_count;
        join(&viewers[i], i, port, request);
        serve_all(0);
    }
    free(request);
}

/* ---- The report --------------------------------------------------------------------------- */

static void begin_counting(void)
{
    for (size_t i = 0; i < viewer_count; i++) {
        struct viewer *v = &viewers[i];
        v->frames = v->lost = v->repeated = v->unstamped = 0;
    }
    counting = true;
}

static uint64_t own_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static int by_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int by_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint32_t age_at(unsigned percent)
{
    return age_count == 0 ? 0 : ages_us[(age_count - 1) * percent / 100];
}

static uint64_t unseen(void)
{
    uint64_t n = 0;
    for (uint64_t s = seen_base; s < seen_end; s++) {
        n += !seen[s - seen_base];
    }
    return n;
}

static void report(uint64_t cpu_ns, uint64_t window_ns)
{
    struct viewer sum = {0};
    size_t good = 0, refused = 0, closed = 0, stalled_closed = 0;
    uint64_t *each = must(calloc(viewer_count, sizeof *each));
    for (size_t i = 0; i < viewer_count; i++) {
        const struct viewer *v = &viewers[i];
        refused += v->refused;
        closed += v->fd < 0 && !v->refused && !v->stalled;
        stalled_closed += v->fd < 0 && !v->refused && v->stalled;
        if (!v->stalled) {
            each[good++] = v->frames;
            sum.frames += v->frames;
            sum.lost += v->lost;
            sum.repeated += v->repeated;
            sum.unstamped += v->unstamped;
        }
    }
    qsort(each, good, sizeof *each, by_u64);
    if (age_count > 0) {
        qsort(ages_us, age_count, sizeof *ages_us, by_u32);
    }
    printf("{\"viewers\":%zu,\"good\":%zu,\"refused\":%zu,\"closed\":%zu,\"stalled_closed\":%zu,", viewer_count, good,
           refused, closed, stalled_closed);
    printf("\"frames\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"unseen\":%" PRIu64 ",\"repeated\":%" PRIu64
           ",\"unstamped\":%" PRIu64 ",",
           sum.frames, sum.lost, unseen(), sum.repeated, sum.unstamped);
    printf("\"worst\":%" PRIu64 ",\"median\":%" PRIu64 ",", good > 0 ? each[0] : 0, good > 0 ? each[good / 2] : 0);
    printf("\"age_us\":{\"p50\":%u,\"p90\":%u,\"p99\":%u,\"max\":%u},", age_at(50), age_at(90), age_at(99),
           age_at(100));
    printf("\"cpu_s\":%.6f,\"window_s\":%.6f}\n", (double)cpu_ns / 1e9, (double)window_ns / 1e9);
    free(each);
}

/* ---- All ---------------------------------------------------------------------------------- */

static void say(const char *line)
{
    puts(line);
    fflush(stdout);
}

static void serve_until(uint64_t due_ns)
{
    while (monotonic_ns() < due_ns) {
        serve_all(20);
    }
}

static uint64_t seconds(const char *text)
{
    return (uint64_t)(strtod(text, NULL) * 1e9);
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fputs("usage: viewers PORT PATH COUNT STALLED WARM_UP WINDOW\n", stderr);
        return 2;
    }
    uint16_t port = (uint16_t)strtoul(argv[1], NULL, 10);
    viewer_count = (size_t)strtoul(argv[3], NULL, 10);
    size_t stalled = (size_t)strtoul(argv[4], NULL, 10);
    if (port == 0 || viewer_count == 0 || stalled > viewer_count) {
        fputs("viewers: PORT and COUNT must be above 0, STALLED at most COUNT\n", stderr);
        return 2;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files); /* too few show when connecting */
    }
    viewers = must(calloc(viewer_count, sizeof *viewers));
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0) {
        die("epoll_create1");
    }

    uint64_t started = monotonic_ns();
    join_all(port, argv[2], stalled);
    while (waiting_for_first > 0 && monotonic_ns() < started + FIRST_LIMIT_NS) {
        serve_all(20);
    }
    serve_until(monotonic_ns() + seconds(argv[5]));

    begin_counting();
    say("begin");
    uint64_t begin = monotonic_ns(), cpu = own_cpu_ns();
    serve_until(begin + seconds(argv[6]));
    say("end");
    report(own_cpu_ns() - cpu, monotonic_ns() - begin);
    return 0;
}
