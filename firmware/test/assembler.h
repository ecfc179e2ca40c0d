/* The host's half of protocol section 4: packets in, whole frames or reasons out. For tests; the gateway's is in Go. */
#ifndef ASSEMBLER_H
#define ASSEMBLER_H

#include "camlink.h"

enum reject_reason { REJECT_INCOMPLETE, REJECT_TOO_LARGE, REJECT_ABORTED, REJECT_FORMAT, REJECT_REASONS };

struct assembled_frame {
    uint32_t no, len;
    uint16_t width, height;
    uint16_t skipped;
    const uint8_t *data; /* borrowed: valid during the call */
};

/* Told in the order things are found out. ctx is the assembler's. */
struct assembler_sink {
    void (*frame)(void *ctx, const struct assembled_frame *f);
    void (*reject)(void *ctx, uint32_t no, enum reject_reason reason);
    void (*lost)(void *ctx, uint32_t count);
};

struct assembler {
    const struct assembler_sink *sink;
    void *ctx;
    uint32_t max_frame;
    struct assembled_frame frame; /* under way if data is not NULL */
    uint8_t *data;
    uint32_t have;
    uint32_t last_no, boot_id;
    bool numbered, booted;
};

void assembler_init(struct assembler *a, uint32_t max_frame, const struct assembler_sink *sink, void *ctx);
void assembler_take(struct assembler *a, const struct camlink_packet *p);
/* Frees what an unfinished frame holds. */
void assembler_done(struct assembler *a);

const char *reject_name(enum reject_reason reason);

#endif
