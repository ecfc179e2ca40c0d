/*
 * Prints what a stream of camlink bytes says, one event a line.
 *
 *   events [--max-frame N] < bytes
 *   events [--max-frame N] --stream < records    u32 n (little-endian) and n bytes; n = 0 is silence
 *   events --vector FILE                         exit status 1 if FILE expects other events
 */
#include "events_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void print(void *ctx, const char *line)
{
    (void)ctx;
    puts(line);
}

static void feed_all(struct events *e)
{
    uint8_t buf[65536];
    size_t n;
    while ((n = fread(buf, 1, sizeof buf, stdin)) > 0) {
        events_feed(e, buf, n);
    }
}

/* False if the input ends within a record. */
static bool feed_records(struct events *e)
{
    uint8_t head[4];
    size_t got;
    while ((got = fread(head, 1, sizeof head, stdin)) == sizeof head) {
        uint32_t left = camlink_get32(head);
        if (left == 0) {
            events_silence(e);
        }
        while (left > 0) {
            uint8_t buf[65536];
            size_t n = fread(buf, 1, left < sizeof buf ? left : sizeof buf, stdin);
            if (n == 0) {
                return false;
            }
            events_feed(e, buf, n);
            left -= (uint32_t)n;
        }
    }
    return got == 0;
}

static int usage(void)
{
    fputs("usage: events [--max-frame N] [--stream] < bytes\n       events --vector FILE\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    unsigned long long max_frame = EVENTS_MAX_FRAME;
    bool stream = false;
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--vector") == 0 && argc == 3 && has_value) {
            return events_vector(argv[i + 1], stdout, stderr) ? 0 : 1;
        }
        if (strcmp(argv[i], "--stream") == 0) {
            stream = true;
        } else if (strcmp(argv[i], "--max-frame") == 0 && has_value) {
            char *end;
            errno = 0;
            max_frame = strtoull(argv[++i], &end, 10);
            if (*end != '\0' || errno != 0 || max_frame > UINT32_MAX) {
                return usage();
            }
        } else {
            return usage();
        }
    }
    static struct events e;
    events_init(&e, (uint32_t)max_frame, print, NULL);
    bool whole = true;
    if (stream) {
        whole = feed_records(&e);
    } else {
        feed_all(&e);
    }
    events_end(&e);
    if (!whole) {
        fputs("events: the input ends within a record\n", stderr);
        return 1;
    }
    return 0;
}
