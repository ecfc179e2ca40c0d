#include "stats.h"

#include "clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put_counters(FILE *f, const struct device *d)
{
    const struct counters *c = d->counters;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"captured", counted(&c->captured)},
        {"sent", counted(&c->sent)},
        {"skipped", device_skipped(d)},
        {"aborted", counted(&c->aborted)},
        {"camera_errors", counted(&c->camera_errors)},
        {"flips", counted(&c->flips)},
        {"drops", counted(&c->drops)},
        {"inserts", counted(&c->inserts)},
        {"garbled", counted(&c->garbled)},
        {"truncated", counted(&c->truncated)},
        {"bad_jpeg_no_eoi", counted(&c->bad_jpeg[BAD_NO_EOI])},
        {"bad_jpeg_padding", counted(&c->bad_jpeg[BAD_PADDING])},
        {"bad_jpeg_empty", counted(&c->bad_jpeg[BAD_EMPTY])},
        {"bad_jpeg_cut", counted(&c->bad_jpeg[BAD_CUT])},
        {"stalls", counted(&c->stalls)},
        {"reboots", counted(&c->reboots)},
        {"noise_lines", counted(&c->noise_lines)},
        {"unplugs", counted(&c->unplugs)},
        {"bytes_out", counted(&c->bytes_out)},
        {"bytes_lost", counted(&c->bytes_lost)},
        {"bytes_in", counted(&c->bytes_in)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fprintf(f, "\"%s\":%" PRIu64 ",", rows[i].name, rows[i].value);
    }
}

static const char *truth(bool b)
{
    return b ? "true" : "false";
}

static void put_object(FILE *f, const struct device *d, uint64_t started_ns)
{
    bool running = d->power == POWER_RUNNING;
    fputc('{', f);
    put_counters(f, d);
    fprintf(f, "\"quality\":%d,\"frames_late\":%" PRIu64 ",", (int)settings_get(&d->settings, SET_QUALITY),
            d->ages.late);
    fprintf(f, "\"frame_age_p99_ms\":%.1f,\"frame_age_max_ms\":%.1f,", ages_ms(&d->ages, 99), ages_ms(&d->ages, 100));
    fprintf(f, "\"linked\":%s,", truth(running && camlink_device_linked(&d->core)));
    fprintf(f, "\"sensor_awake\":%s,", truth(d->awake));
    fprintf(f, "\"port_open\":%s,", truth(d->pty->open));
    fprintf(f, "\"baud_now\":%" PRIu32 ",\"host_baud\":%" PRIu32 ",", d->wire.baud, d->pty->baud);
    fprintf(f, "\"boot_id\":%" PRIu32 ",\"seed\":%" PRIu64 ",", d->identity.boot_id, d->options->seed);
    fprintf(f, "\"uptime_s\":%.3f}\n", (double)(clock_ns() - started_ns) / 1e9);
}

static bool replace(const char *path, const struct device *d, uint64_t started_ns)
{
    char *temporary;
    if (asprintf(&temporary, "%s.%d", path, (int)getpid()) < 0) {
        return false;
    }
    FILE *f = fopen(temporary, "we");
    bool done = f != NULL;
    if (f != NULL) {
        put_object(f, d, started_ns);
        done = ferror(f) == 0;
        done = fclose(f) == 0 && done && rename(temporary, path) == 0;
    }
    free(temporary);
    return done;
}

void stats_report(const struct device *d, uint64_t started_ns)
{
    if (d->options->stats) {
        put_object(stdout, d, started_ns);
        fflush(stdout);
    }
    if (d->options->stats_file != NULL && !replace(d->options->stats_file, d, started_ns)) {
        fprintf(stderr, "hostcam: cannot write %s: %s\n", d->options->stats_file, strerror(errno));
    }
}
