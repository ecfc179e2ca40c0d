/* A decoder and an assembler whose findings are told as lines of text, the form in which golden vectors state them. */
#ifndef EVENTS_TEXT_H
#define EVENTS_TEXT_H

#include "assembler.h"

#include <stdio.h>

#define EVENTS_MAX_FRAME 1048576u

typedef void (*events_line)(void *ctx, const char *line);

struct events {
    struct camlink_decoder decoder;
    struct assembler assembler;
    events_line line;
    void *ctx;
    uint8_t buf[CAMLINK_MAX_PACKET];
    char text[CAMLINK_TEXT_MAX + 1];
};

/* e must not move afterwards. */
void events_init(struct events *e, uint32_t max_frame, events_line line, void *ctx);
void events_feed(struct events *e, const uint8_t *p, size_t n);
void events_silence(struct events *e);
/* Tells the last line and frees. */
void events_end(struct events *e);

/* Runs a golden vector file: prints its events to out, and what is wrong with them or with the file to err. */
bool events_vector(const char *path, FILE *out, FILE *err);
/* The same from an open file; path is its name. */
bool events_vector_read(const char *path, FILE *in, FILE *out, FILE *err);

#endif
