#include "camera_internal.h"

#include "clock.h"
#include "jpeg.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- The thread's side -------------------------------------------------------------------- */

struct camera_view camera_look(struct camera *c)
{
    pthread_mutex_lock(&c->lock);
    struct camera_view v = {
        .awake = c->awake && !c->finished,
        .quit = c->quit,
        .epoch = c->epoch,
        .boot_ns = c->boot_ns,
    };
    pthread_mutex_unlock(&c->lock);
    return v;
}

struct camera_buffer *camera_take(struct camera *c)
{
    struct camera_buffer *found = NULL;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < CAMERA_BUFFERS && found == NULL; i++) {
        if (c->buffers[i].state == BUFFER_FREE) {
            found = &c->buffers[i];
            found->state = BUFFER_FILLING;
        }
    }
    pthread_mutex_unlock(&c->lock);
    if (found == NULL) {
        fputs("hostcam: a frame buffer was not given back\n", stderr);
        abort();
    }
    return found;
}

void camera_drop(struct camera *c, struct camera_buffer *b)
{
    pthread_mutex_lock(&c->lock);
    b->state = BUFFER_FREE;
    pthread_mutex_unlock(&c->lock);
}

void camera_failed(struct camera *c)
{
    count(&c->counters->camera_errors, 1);
}

static void raise_event(int fd)
{
    uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

static void clear_event(int fd)
{
    uint64_t n;
    while (read(fd, &n, sizeof n) < 0 && errno == EINTR) {
    }
}

/* Lock held. */
static void put(struct camera *c, struct camera_buffer *b)
{
    b->state = BUFFER_OUT;
    struct camlink_frame *old = camlink_mailbox_put(&c->mailbox, &b->frame);
    if (old != NULL) {
        struct camera_buffer *displaced = old->owner;
        displaced->state = BUFFER_FREE;
    }
    count(&c->counters->captured, 1);
}

void camera_publish(struct camera *c, struct camera_buffer *b, const struct shot *shot, const struct camera_view *v,
                    uint64_t begun_ns)
{
    size_t len = shot->len;
    enum bad_jpeg kind = BAD_KINDS;
    if (rng_hit(&c->rng, c->options->bad_jpeg)) {
        kind = (enum bad_jpeg)c->next_bad;
        len = jpeg_damage(b->data, len, SHOT_MAX, kind, &c->rng);
    }
    b->frame = (struct camlink_frame){
        .data = b->data,
        .len = (uint32_t)len,
        .t_capture_us = (begun_ns - v->boot_ns) / 1000,
        .width = shot->width,
        .height = shot->height,
        .quality = shot->quality,
        .owner = b,
    };
    pthread_mutex_lock(&c->lock);
    bool wanted = c->awake && !c->finished && c->epoch == v->epoch;
    if (wanted) {
        put(c, b);
    } else {
        b->state = BUFFER_FREE;
    }
    pthread_mutex_unlock(&c->lock);
    if (!wanted) {
        return;
    }
    if (kind != BAD_KINDS) {
        count(&c->counters->bad_jpeg[kind], 1);
        c->next_bad = (c->next_bad + 1) % BAD_KINDS;
    }
    raise_event(c->ready);
}

bool camera_wait(struct camera *c, int fd, uint64_t due_ns)
{
    struct pollfd in[2] = {{.fd = c->wake, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    uint64_t now = clock_ns();
    uint64_t left = due_ns > now ? due_ns - now : 0;
    struct timespec t = {.tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S)};
    if (ppoll(in, 2, due_ns == CLOCK_NEVER ? NULL : &t, NULL) <= 0) {
        return false;
    }
    if ((in[0].revents & POLLIN) != 0) {
        clear_event(c->wake);
    }
    return in[1].revents != 0;
}

static uint64_t period_ns(const struct camera *c)
{
    uint64_t by_fps = (uint64_t)(1e9 / c->options->fps);
    uint64_t by_host = (uint64_t)settings_get(c->settings, SET_MIN_INTERVAL_MS) * NS_PER_MS;
    uint64_t by_pace = atomic_load_explicit(&c->interval_us, memory_order_relaxed) * UINT64_C(1000);
    uint64_t period = by_fps > by_host ? by_fps : by_host;
    return period > by_pace ? period : by_pace;
}

/* What the next picture is taken with: pictures already in the pipeline keep the quality they were begun with. */
static uint8_t quality_now(struct camera *c, bool first)
{
    uint8_t set = (uint8_t)settings_get(c->settings, SET_QUALITY);
    if (first) {
        memset(c->qualities, set, sizeof c->qualities);
    }
    memmove(c->qualities + 1, c->qualities, CAMERA_PIPELINE_MAX);
    c->qualities[0] = set;
    return c->qualities[c->options->pipeline];
}

static void capture(struct camera *c, const struct camera_view *v, bool first)
{
    struct camera_buffer *b = camera_take(c);
    struct shot shot = {.data = b->data, .quality = quality_now(c, first)};
    uint64_t begun = clock_ns();
    bool good = c->options->frames != NULL ? folder_shoot(&c->folder, &shot) : testcard_shoot(&c->card, &shot);
    if (good) {
        camera_publish(c, b, &shot, v, begun);
    } else {
        camera_drop(c, b);
        camera_failed(c);
    }
}

void camera_by_clock(struct camera *c)
{
    uint64_t due = CLOCK_NEVER, last = 0;
    uint32_t epoch = 0;
    bool first = true;
    for (;;) {
        (void)camera_wait(c, -1, due);
        struct camera_view v = camera_look(c);
        uint64_t now = clock_ns();
        if (v.quit) {
            return;
        }
        if (!v.awake) {
            due = CLOCK_NEVER;
        } else if (due == CLOCK_NEVER || v.epoch != epoch) {
            /* The first exposure after standby takes its time. */
            due = now + clock_earlier(period_ns(c), 100 * NS_PER_MS);
            last = due;
            first = true;
        } else if (now >= due) {
            last = due;
            capture(c, &v, first);
            first = false;
            uint64_t period = period_ns(c), after = clock_ns();
            due = due + period > after ? due + period : after;
        } else {
            due = clock_earlier(due, last + period_ns(c)); /* the pace may have changed */
        }
        epoch = v.epoch;
    }
}

static void *run(void *arg)
{
    struct camera *c = arg;
    if (c->options->frames != NULL && strcmp(c->options->frames, "-") == 0) {
        camera_by_stream(c, STDIN_FILENO);
    } else {
        camera_by_clock(c);
    }
    return NULL;
}

/* ---- The wire thread's side --------------------------------------------------------------- */

static void free_buffers(struct camera *c)
{
    for (size_t i = 0; i < CAMERA_BUFFERS; i++) {
        free(c->buffers[i].data);
    }
}

static bool prepare(struct camera *c, const struct options *o)
{
    bool playing = o->frames != NULL && strcmp(o->frames, "-") != 0;
    c->folder.dir = -1;
    if (playing && !folder_open(&c->folder, o->frames)) {
        return false;
    }
    c->ready = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    c->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    bool enough = c->ready >= 0 && c->wake >= 0;
    for (size_t i = 0; i < CAMERA_BUFFERS; i++) {
        c->buffers[i] = (struct camera_buffer){.data = malloc(SHOT_MAX)};
        enough = enough && c->buffers[i].data != NULL;
    }
    if (!enough) {
        fputs("hostcam: out of memory or descriptors\n", stderr);
    }
    return enough;
}

bool camera_start(struct camera *c, const struct options *o, const struct settings *s, struct counters *k)
{
    *c = (struct camera){.options = o, .settings = s, .counters = k};
    rng_seed(&c->rng, o->seed, 5);
    testcard_init(&c->card, s, o);
    camlink_mailbox_init(&c->mailbox);
    pthread_mutex_init(&c->lock, NULL);
    if (!prepare(c, o)) {
        return false;
    }
    if (pthread_create(&c->thread, NULL, run, c) != 0) {
        fputs("hostcam: cannot start a thread\n", stderr);
        return false;
    }
    return true;
}

void camera_stop(struct camera *c)
{
    pthread_mutex_lock(&c->lock);
    c->quit = true;
    pthread_mutex_unlock(&c->lock);
    raise_event(c->wake);
    pthread_join(c->thread, NULL);
    pthread_mutex_destroy(&c->lock);
    free_buffers(c);
    folder_close(&c->folder);
    close(c->ready);
    close(c->wake);
}

void camera_reboot(struct camera *c, uint64_t boot_ns)
{
    pthread_mutex_lock(&c->lock);
    c->awake = false;
    c->epoch++;
    c->boot_ns = boot_ns;
    for (size_t i = 0; i < CAMERA_BUFFERS; i++) {
        if (c->buffers[i].state == BUFFER_OUT) {
            c->buffers[i].state = BUFFER_FREE;
        }
    }
    camlink_mailbox_init(&c->mailbox);
    pthread_mutex_unlock(&c->lock);
    raise_event(c->wake);
}

void camera_sensor(struct camera *c, bool awake)
{
    pthread_mutex_lock(&c->lock);
    c->awake = awake;
    c->epoch++;
    pthread_mutex_unlock(&c->lock);
    raise_event(c->wake);
}

void camera_release(struct camera *c, struct camlink_frame *f)
{
    struct camera_buffer *b = f->owner;
    camera_drop(c, b);
}

void camera_pace(struct camera *c, uint32_t interval_us)
{
    if (atomic_exchange_explicit(&c->interval_us, interval_us, memory_order_relaxed) != interval_us) {
        raise_event(c->wake);
    }
}

void camera_finish(struct camera *c)
{
    pthread_mutex_lock(&c->lock);
    c->finished = true;
    struct camlink_frame *f = camlink_mailbox_take(&c->mailbox);
    if (f != NULL) {
        struct camera_buffer *b = f->owner;
        b->state = BUFFER_FREE;
    }
    pthread_mutex_unlock(&c->lock);
    raise_event(c->wake);
}

void camera_seen(struct camera *c)
{
    clear_event(c->ready);
}
