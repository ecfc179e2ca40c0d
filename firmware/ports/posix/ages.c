#include "ages.h"

#include <stdlib.h>
#include <string.h>

void ages_add(struct ages *a, uint64_t age_us, uint32_t interval_us)
{
    a->us[a->count % AGES_KEPT] = age_us < UINT32_MAX ? (uint32_t)age_us : UINT32_MAX;
    a->count++;
    a->late += interval_us != 0 && age_us > 2 * (uint64_t)interval_us ? 1 : 0;
}

static int by_size(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

double ages_ms(const struct ages *a, unsigned percent)
{
    size_t n = a->count < AGES_KEPT ? (size_t)a->count : AGES_KEPT;
    if (n == 0) {
        return 0;
    }
    uint32_t sorted[AGES_KEPT];
    memcpy(sorted, a->us, n * sizeof sorted[0]);
    qsort(sorted, n, sizeof sorted[0], by_size);
    const size_t rank = (n * percent + 99) / 100;
    return sorted[rank - 1] / 1e3;
}
