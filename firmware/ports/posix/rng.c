#include "rng.h"

#include <math.h>

void rng_seed(struct rng *r, uint64_t seed, uint64_t stream)
{
    r->state = seed ^ (stream * 0xD1342543DE82EF95ull);
    r->state = rng_next(r);
}

/* Steele, Lea, Flood: "Fast splittable pseudorandom number generators"; the increments wrap by design. */
uint64_t rng_next(struct rng *r)
{
    r->state += 0x9E3779B97F4A7C15ull;
    uint64_t z = r->state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
    return (uint32_t)(((rng_next(r) >> 32) * n) >> 32);
}

/* In (0, 1]: safe under a logarithm. */
static double unit(struct rng *r)
{
    return (double)((rng_next(r) >> 11) + 1) * 0x1p-53;
}

bool rng_hit(struct rng *r, double p)
{
    return p > 0 && unit(r) <= p;
}

uint64_t rng_gap(struct rng *r, double p)
{
    if (p <= 0) {
        return UINT64_MAX;
    }
    if (p >= 1) {
        return 0;
    }
    double gap = floor(log(unit(r)) / log1p(-p));
    return gap < 0x1p62 ? (uint64_t)gap : UINT64_MAX;
}
