/* What the capture thread's two ways of working share. */
#ifndef HOSTCAM_CAMERA_INTERNAL_H
#define HOSTCAM_CAMERA_INTERNAL_H

#include "camera.h"

/* What the thread sees of the rest of the program. */
struct camera_view {
    bool awake; /* pictures are wanted */
    bool quit;
    uint32_t epoch;
    uint64_t boot_ns;
};

struct camera_view camera_look(struct camera *c);

/* A buffer to fill. There always is one: see CAMERA_BUFFERS. */
struct camera_buffer *camera_take(struct camera *c);
void camera_drop(struct camera *c, struct camera_buffer *b);

/* The picture in b was begun at begun_ns under v: into the mailbox with it, or, if v is over, back. */
void camera_publish(struct camera *c, struct camera_buffer *b, const struct shot *shot, const struct camera_view *v,
                    uint64_t begun_ns);
void camera_failed(struct camera *c);

/* Waits for a word on wake or until due_ns; with fd >= 0 also for input there. True: there is input. */
bool camera_wait(struct camera *c, int fd, uint64_t due_ns);

/* Runs until quit: pictures by the clock, and pictures as they come on standard input. */
void camera_by_clock(struct camera *c);
void camera_by_stream(struct camera *c, int fd);

#endif
