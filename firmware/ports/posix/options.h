/* The command line, parsed and checked. */
#ifndef HOSTCAM_OPTIONS_H
#define HOSTCAM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* What the test card shows. */
enum scene_kind { SCENE_CARD, SCENE_CALM, SCENE_BUSY, SCENE_CUT };

struct options {
    /* Port. */
    const char *link; /* NULL: no symlink */
    bool usb;
    bool one_way;
    uint32_t baud_base, baud_max;
    /* Pictures. */
    const char *frames; /* NULL: test card; "-": standard input; else a folder */
    double fps;
    uint16_t width, height;
    int32_t quality;       /* Espressif's 0-63, lower is better */
    uint32_t pipeline;     /* captures that still come with the old quality after a change */
    enum scene_kind scene; /* SCENE_CUT: ... */
    double scene_every;    /* ... calm and busy in turn, for so many seconds each */
    uint64_t count;        /* 0: no end */
    bool exit_after_count;
    /* Identity. */
    const char *board, *sensor, *name;
    uint8_t mac[6];
    /* Faults. */
    uint64_t seed;
    double flip, drop, insert, truncate, bad_jpeg; /* probabilities */
    double stall_every, reboot_every;              /* seconds; 0: never */
    uint32_t stall_ms, garble_above;
    bool noise, mute;
    /* Reports. */
    bool stats;
    const char *stats_file;
};

enum parsed { PARSED_RUN, PARSED_HELP, PARSED_BAD };

/* Fills in *o; strings are borrowed from argv. Prints the help to stdout, complaints to stderr. */
enum parsed options_parse(struct options *o, int argc, char **argv);

#endif
