/* Seedable random numbers (splitmix64): the same seed injects the same faults. One generator per thread. */
#ifndef HOSTCAM_RNG_H
#define HOSTCAM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

void rng_seed(struct rng *r, uint64_t seed, uint64_t stream);
uint64_t rng_next(struct rng *r);

/* Uniform in 0..n-1; 0 when n is 0. */
uint32_t rng_below(struct rng *r, uint32_t n);

/* True with probability p. */
bool rng_hit(struct rng *r, double p);

/* How many trials miss before one of probability p hits; UINT64_MAX when p is 0. One draw instead of one per trial. */
uint64_t rng_gap(struct rng *r, double p);

#endif
