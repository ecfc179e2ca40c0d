#include "faults.h"

void faults_init(struct faults *f, const struct options *o, struct counters *c)
{
    *f = (struct faults){.options = o, .counters = c};
    rng_seed(&f->rng, o->seed, 1);
    f->flip_gap = rng_gap(&f->rng, o->flip);
    f->drop_gap = rng_gap(&f->rng, o->drop);
    f->insert_gap = rng_gap(&f->rng, o->insert);
}

/* True when the gap is used up; then it is drawn anew. */
static bool due(struct faults *f, uint64_t *gap, double p)
{
    if (*gap == UINT64_MAX) {
        return false;
    }
    if (*gap > 0) {
        --*gap;
        return false;
    }
    *gap = rng_gap(&f->rng, p);
    return true;
}

size_t faults_apply(struct faults *f, uint8_t byte, uint8_t out[FAULTS_BURST])
{
    size_t n = 0;
    if (due(f, &f->insert_gap, f->options->insert)) {
        out[n++] = (uint8_t)rng_next(&f->rng);
        count(&f->counters->inserts, 1);
    }
    if (due(f, &f->drop_gap, f->options->drop)) {
        count(&f->counters->drops, 1);
        return n;
    }
    if (due(f, &f->flip_gap, f->options->flip)) {
        byte ^= (uint8_t)(1u << rng_below(&f->rng, 8));
        count(&f->counters->flips, 1);
    }
    out[n++] = byte;
    return n;
}

uint8_t faults_garble(struct faults *f, uint8_t byte)
{
    count(&f->counters->garbled, 1);
    return byte ^ (uint8_t)(1 + rng_below(&f->rng, 255));
}
