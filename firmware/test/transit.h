/*
 * Pictures on their way through a line that damages them. What each byte was follows from its frame's number, so that
 * whatever arrives can be held against what was sent without keeping it.
 */
#ifndef TRANSIT_H
#define TRANSIT_H

#include "assembler.h"

enum transit_limit { TRANSIT_MAX = 65536, TRANSIT_FRAME_MAX = 1024, TRANSIT_CHUNK = 64 };

enum transit_damage {
    DAMAGE_FLIP,      /* value: how many bits */
    DAMAGE_BURST,     /* size bytes become others */
    DAMAGE_DROP,      /* size bytes are lost */
    DAMAGE_INSERT,    /* size bytes from nowhere */
    DAMAGE_DUPLICATE, /* size bytes come twice */
    DAMAGE_SWAP,      /* size bytes change places with those behind them */
    DAMAGE_SPLICE,    /* size bytes from another place stand there instead */
    DAMAGE_TEXT,      /* a line of boot text */
    DAMAGES,
};

struct transit {
    uint8_t bytes[TRANSIT_MAX];
    size_t n;
    uint16_t seq;
    uint32_t next_no, random;

    /* The receiver, and what came of it all. */
    struct camlink_decoder decoder;
    uint8_t decoder_buf[CAMLINK_MAX_PACKET];
    struct assembler assembler;
    uint64_t frames, bytes_in; /* sent */
    uint64_t whole, wrong;     /* delivered: as they were sent, and not */
    uint64_t forged;           /* packets that passed both checks and were never sent */
    uint64_t rejected;
};

void transit_init(struct transit *t, uint32_t seed);
void transit_done(struct transit *t);
/* The next number of its xorshift32. */
uint32_t transit_random(struct transit *t);

/* Appends a frame of len bytes, at most TRANSIT_FRAME_MAX, in chunks, with a control packet among them if control.
 * Returns where it starts. False room: there is none for another. */
size_t transit_frame(struct transit *t, uint32_t len, bool control);
bool transit_room(const struct transit *t);
/* Damages what was appended at from and later. at and size are taken modulo what there is. */
void transit_damage(struct transit *t, size_t from, enum transit_damage how, size_t at, size_t size);
/* Hands all to the receiver, in pieces of at most piece bytes, and empties the line. */
void transit_deliver(struct transit *t, size_t piece);

#endif
