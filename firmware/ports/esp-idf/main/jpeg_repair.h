/* What a sensor's frame buffer really holds. Pure. */
#ifndef JPEG_REPAIR_H
#define JPEG_REPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The picture inside a buffer: from SOI to EOI. */
struct jpeg_span {
    const uint8_t *data;
    uint32_t len;
    uint16_t width, height; /* as its frame header says */
};

/*
 * Finds one whole picture: bytes before SOI and after EOI are left out. False: there is none, because a marker is
 * missing or the scan is cut. A picture without EOI is not completed: its scan is cut, and viewers would see grey.
 */
bool jpeg_repair(const uint8_t *p, size_t n, struct jpeg_span *out);

#endif
