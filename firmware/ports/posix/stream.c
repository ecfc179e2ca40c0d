/*
 * Concatenated JPEGs from a descriptor. They are read straight into frame buffers; only what was read beyond the end of
 * one picture is moved to the buffer of the next. Reading goes on while the sensor rests, so that a live producer never
 * waits and the newest picture is the one it wakes to.
 */
#include "camera_internal.h"
#include "clock.h"
#include "jpeg.h"

#include <string.h>
#include <unistd.h>

struct stream {
    struct camera *camera;
    struct camera_buffer *filling;
    size_t fill;
    uint64_t begun_ns;        /* when the first byte of the picture in it came */
    struct camera_view begun; /* and what was then */
    struct jpeg_walk walk;
    /* The newest picture that came while the sensor rested, or NULL. */
    struct camera_buffer *kept;
    struct shot kept_shot;
};

static void begin(struct stream *s, const struct camera_view *v)
{
    s->walk = (struct jpeg_walk){0};
    s->begun = *v;
    s->begun_ns = clock_ns();
}

/* Removes n bytes from the front. */
static void discard(struct stream *s, size_t n)
{
    memmove(s->filling->data, s->filling->data + n, s->fill - n);
    s->fill -= n;
}

/* Up to where a picture may begin. */
static void skip_junk(struct stream *s, size_t from)
{
    size_t at = from;
    while (at < s->fill) {
        const uint8_t *ff = memchr(s->filling->data + at, 0xFF, s->fill - at);
        at = ff == NULL ? s->fill : (size_t)(ff - s->filling->data);
        if (at + 1 >= s->fill || s->filling->data[at + 1] == 0xD8) {
            break;
        }
        at++;
    }
    discard(s, at);
}

static void keep(struct stream *s, const struct shot *shot)
{
    if (s->kept != NULL) {
        camera_drop(s->camera, s->kept);
    }
    s->kept = s->filling;
    s->kept_shot = *shot;
}

/* The picture at the front is whole: hands its buffer on and goes on in another. */
static void complete(struct stream *s, const struct camera_view *v)
{
    struct shot shot = {
        .data = s->filling->data,
        .len = s->walk.pos,
        .width = s->walk.width,
        .height = s->walk.height,
        .quality = (uint8_t)settings_get(s->camera->settings, SET_QUALITY),
    };
    struct camera_buffer *next = camera_take(s->camera);
    size_t beyond = s->fill - shot.len;
    memcpy(next->data, shot.data + shot.len, beyond);
    if (v->awake) {
        camera_publish(s->camera, s->filling, &shot, &s->begun, s->begun_ns);
    } else {
        keep(s, &shot);
    }
    s->filling = next;
    s->fill = beyond;
    begin(s, v);
}

static void walk(struct stream *s, const struct camera_view *v)
{
    for (;;) {
        switch (jpeg_walk(&s->walk, s->filling->data, s->fill)) {
        case JPEG_DONE:
            complete(s, v);
            skip_junk(s, 0);
            break;
        case JPEG_BAD:
            /* Bytes between pictures are nobody's fault. */
            if (s->walk.pos > 0) {
                camera_failed(s->camera);
            }
            skip_junk(s, 1);
            begin(s, v);
            break;
        case JPEG_MORE:
            if (s->fill < SHOT_MAX) {
                return;
            }
            camera_failed(s->camera);
            skip_junk(s, 1);
            begin(s, v);
            break;
        }
    }
}

/* False: the stream has ended. */
static bool take_in(struct stream *s, int fd, const struct camera_view *v)
{
    if (s->fill == 0) {
        begin(s, v);
    }
    ssize_t n = read(fd, s->filling->data + s->fill, SHOT_MAX - s->fill);
    if (n <= 0) {
        return false;
    }
    s->fill += (size_t)n;
    walk(s, v);
    return true;
}

void camera_by_stream(struct camera *c, int fd)
{
    struct stream s = {.camera = c, .filling = camera_take(c)};
    for (;;) {
        bool input = camera_wait(c, fd, CLOCK_NEVER);
        struct camera_view v = camera_look(c);
        if (v.quit) {
            return;
        }
        if (v.awake && s.kept != NULL) {
            camera_publish(c, s.kept, &s.kept_shot, &v, clock_ns());
            s.kept = NULL;
        }
        if (input && !take_in(&s, fd, &v)) {
            fd = -1;
        }
    }
}
