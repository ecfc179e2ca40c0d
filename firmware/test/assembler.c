#include "assembler.h"

#include <stdlib.h>
#include <string.h>

enum least_payload { BEGIN_SIZE = 32, CHUNK_SIZE = 4, ABORT_SIZE = 5, HELLO_SIZE = 48 };

const char *reject_name(enum reject_reason reason)
{
    static const char *const names[REJECT_REASONS] = {"incomplete", "too_large", "aborted", "format"};
    return names[reason];
}

void assembler_init(struct assembler *a, uint32_t max_frame, const struct assembler_sink *sink, void *ctx)
{
    *a = (struct assembler){.sink = sink, .ctx = ctx, .max_frame = max_frame};
}

void assembler_done(struct assembler *a)
{
    free(a->data);
    a->data = NULL;
}

static void reject(struct assembler *a, enum reject_reason reason)
{
    assembler_done(a);
    a->sink->reject(a->ctx, a->frame.no, reason);
}

static void reject_unfinished(struct assembler *a)
{
    if (a->data != NULL) {
        reject(a, REJECT_INCOMPLETE);
    }
}

static void take_begin(struct assembler *a, const uint8_t *p)
{
    reject_unfinished(a);
    a->frame = (struct assembled_frame){
        .no = camlink_get32(p),
        .len = camlink_get32(p + 4),
        .width = camlink_get16(p + 24),
        .height = camlink_get16(p + 26),
        .skipped = camlink_get16(p + 30),
    };
    uint32_t ahead = a->frame.no - a->last_no;
    if (a->numbered && ahead > 1 && ahead < 0x80000000u) {
        a->sink->lost(a->ctx, ahead - 1);
    }
    a->last_no = a->frame.no;
    a->numbered = true;
    if (a->frame.len > a->max_frame) {
        reject(a, REJECT_TOO_LARGE);
    } else if (p[28] != 1 || a->frame.len == 0) {
        reject(a, REJECT_FORMAT);
    } else {
        a->data = malloc(a->frame.len);
        a->have = 0;
        if (a->data == NULL) {
            abort();
        }
    }
}

static void take_chunk(struct assembler *a, const struct camlink_packet *p)
{
    if (a->data == NULL) {
        return;
    }
    uint32_t n = p->len - (uint32_t)CHUNK_SIZE;
    if (p->ref != (uint16_t)a->frame.no || camlink_get32(p->payload) != a->have || n > a->frame.len - a->have) {
        reject(a, REJECT_INCOMPLETE);
        return;
    }
    memcpy(a->data + a->have, p->payload + CHUNK_SIZE, n);
    a->have += n;
    bool last = (p->flags & CAMLINK_LAST) != 0;
    if (last != (a->have == a->frame.len)) {
        reject(a, REJECT_INCOMPLETE);
    } else if (last) {
        a->frame.data = a->data;
        a->sink->frame(a->ctx, &a->frame);
        assembler_done(a);
    }
}

static void take_hello(struct assembler *a, const uint8_t *p)
{
    uint32_t boot_id = camlink_get32(p + 4);
    if (a->booted && boot_id != a->boot_id) {
        reject_unfinished(a);
        a->numbered = false;
    }
    a->boot_id = boot_id;
    a->booted = true;
}

void assembler_take(struct assembler *a, const struct camlink_packet *p)
{
    if (p->type == CAMLINK_FRAME_BEGIN && p->len >= BEGIN_SIZE) {
        take_begin(a, p->payload);
    } else if (p->type == CAMLINK_FRAME_CHUNK && p->len >= CHUNK_SIZE) {
        take_chunk(a, p);
    } else if (p->type == CAMLINK_FRAME_ABORT && p->len >= ABORT_SIZE) {
        if (a->data != NULL && camlink_get32(p->payload) == a->frame.no) {
            reject(a, REJECT_ABORTED);
        }
    } else if (p->type == CAMLINK_HELLO && p->len >= HELLO_SIZE) {
        take_hello(a, p->payload);
    }
}
