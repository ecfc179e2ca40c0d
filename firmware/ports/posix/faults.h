/* Damage to single bytes, at exact rates and from a seed. */
#ifndef HOSTCAM_FAULTS_H
#define HOSTCAM_FAULTS_H

#include "counters.h"
#include "options.h"
#include "rng.h"

#include <stddef.h>

/* More bytes than one can become. */
#define FAULTS_BURST 2u

struct faults {
    const struct options *options;
    struct counters *counters;
    struct rng rng;
    uint64_t flip_gap, drop_gap, insert_gap; /* bytes until the next one */
};

void faults_init(struct faults *f, const struct options *o, struct counters *c);

/* One byte on its way to the host. Writes what is left of it to out and returns how many bytes that is. */
size_t faults_apply(struct faults *f, uint8_t byte, uint8_t out[FAULTS_BURST]);

/* A byte on a line too fast for its wire. Never the byte that was sent. */
uint8_t faults_garble(struct faults *f, uint8_t byte);

#endif
