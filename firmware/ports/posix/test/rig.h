/* One hostcam process under test, in a folder of its own. */
#ifndef HOSTCAM_TEST_RIG_H
#define HOSTCAM_TEST_RIG_H

#include "host.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RIG_PICTURES 5

/* Once for all: a temporary folder with pictures in it. */
bool rig_setup(const char *hostcam);
void rig_teardown(void);
const char *rig_pictures(void); /* the folder */
const char *rig_link(void);     /* where the port is */
/* Which of the pictures these bytes are; -1: none. */
int rig_which(const uint8_t *p, size_t n);
const uint8_t *rig_picture(int i, size_t *n);

/* Starts hostcam with the arguments in a line, split at spaces; stdin is /dev/null or fd. */
bool rig_start(const char *arguments);
bool rig_start_with(const char *arguments, int fd);
/* SIGTERM; true if it ends with status 0 within five seconds. */
bool rig_stop(void);
void rig_signal(int signal);
/* Waits for it to end by itself; its exit status, or -1. */
int rig_wait(unsigned ms);
pid_t rig_pid(void);

/* A number from the statistics file; -1: not there. rig_stat_fresh waits for the next report first. */
double rig_stat(const char *name);
double rig_stat_fresh(const char *name);

/*
 * Milliseconds, since some time before, for which the system kept hostcam's threads or us from running although they
 * could: what it was late for then is no fault of its own. 0 on a kernel that does not tell.
 */
double rig_delay_ms(void);

/*
 * The share of the line that is used while it is never idle, over so many tenths of a second: their median, because
 * what a stalled scheduler takes from one of them it takes from no other.
 */
double rig_line_share(struct host *h, uint32_t baud, unsigned tenths);

/* Starts, opens the port at 115200, links and climbs to baud (0: stays). Frames are checked against the pictures. */
bool rig_linked(const char *arguments, uint32_t baud, struct host *h);
/* Compares with the pictures; for host.on_frame. */
bool rig_known_frame(struct host *h, void *ctx);

#endif
