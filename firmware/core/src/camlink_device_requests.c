/* Requests wait here as they came and are answered, in order, when the line is free for the answer. */
#include "camlink_device_internal.h"

#include <string.h>

enum hello_size { HELLO_HEAD = 48, TLV_MAX = 63 };

enum reset_request { RESET_MAGIC = 0x45534552, RESET_REBOOT = 0, RESET_DOWNLOAD = 1 };

enum probe_limit { PROBE_PATTERNS_MAX = 16 };

void camlink_requests_put(struct camlink_device *d, const struct camlink_packet *packet, uint64_t now)
{
    if (d->request_count == CAMLINK_REQUESTS) {
        d->requests_dropped++;
        return;
    }
    struct camlink_request *r = &d->requests[(d->request_first + d->request_count) % CAMLINK_REQUESTS];
    d->request_count++;
    r->rx_us = now;
    r->ref = packet->ref;
    r->type = packet->type;
    r->len = (uint8_t)packet->len; /* the decoder's buffer bounds it */
    memcpy(r->payload, packet->payload, packet->len);
}

static void pop(struct camlink_device *d)
{
    d->request_first = (uint8_t)((d->request_first + 1u) % CAMLINK_REQUESTS);
    d->request_count--;
    d->request_part = 0;
}

static bool speaks_our_version(const uint8_t *hello_req)
{
    return hello_req[0] <= CAMLINK_VERSION && hello_req[1] >= CAMLINK_VERSION;
}

/* Bytes that a request of this type must have at least. */
static size_t least_size(uint8_t type)
{
    switch (type) {
    case CAMLINK_HELLO_REQ:
    case CAMLINK_BAUD_SET:
        return 12;
    case CAMLINK_PING:
    case CAMLINK_CREDIT:
    case CAMLINK_BAUD_PROBE:
    case CAMLINK_RESET:
        return 8;
    case CAMLINK_BAUD_COMMIT:
    case CAMLINK_LOG_LEVEL:
        return 4;
    default:
        return 0;
    }
}

bool camlink_requests_understands(const struct camlink_packet *packet)
{
    return packet->len >= least_size(CAMLINK_HELLO_REQ) && speaks_our_version(packet->payload);
}

void camlink_requests_start_result(struct camlink_device *d, uint8_t type, uint16_t ref, uint8_t status)
{
    d->scratch[0] = type;
    d->scratch[1] = status;
    camlink_put16(d->scratch + 2, 0);
    camlink_tx_start(d, CAMLINK_RESULT, CAMLINK_RESPONSE, ref, 4);
}

static size_t put_tlv(uint8_t *p, uint8_t tag, const char *s)
{
    if (s == NULL) {
        return 0;
    }
    size_t n = 0;
    while (n < TLV_MAX && s[n] != '\0') {
        p[2 + n] = (uint8_t)s[n];
        n++;
    }
    p[0] = tag;
    p[1] = (uint8_t)n;
    return 2 + n;
}

static uint32_t features(const struct camlink_device *d)
{
    uint32_t f = d->id->features;
    if (!camlink_rate_has(d)) {
        f &= ~(uint32_t)CAMLINK_FEATURE_BAUD;
    }
    if ((f & CAMLINK_FEATURE_ONE_WAY) != 0) {
        f &= ~(uint32_t)CAMLINK_FEATURE_CREDIT;
    }
    return f;
}

void camlink_requests_start_hello(struct camlink_device *d, uint8_t flags, uint16_t ref)
{
    const struct camlink_identity *id = d->id;
    uint8_t *p = d->scratch;
    p[0] = CAMLINK_VERSION;
    p[1] = CAMLINK_VERSION;
    camlink_put16(p + 2, 0);
    camlink_put32(p + 4, id->boot_id);
    camlink_put64(p + 8, d->p->now_us(d->ctx));
    p[16] = id->reset_reason;
    p[17] = id->transport;
    camlink_put16(p + 18, CAMLINK_REQUEST_MAX);
    camlink_put32(p + 20, id->max_frame);
    camlink_put32(p + 24, d->baud_now);
    camlink_put32(p + 28, id->transport == CAMLINK_UART ? id->baud_max : 0);
    camlink_put32(p + 32, features(d));
    camlink_put16(p + 36, id->sensor_pid);
    memcpy(p + 38, id->mac, sizeof id->mac);
    camlink_put32(p + 44, d->next_frame);
    size_t n = HELLO_HEAD;
    const char *const tlvs[] = {id->firmware, id->board, id->sdk, id->sensor, id->name};
    for (size_t i = 0; i < sizeof tlvs / sizeof tlvs[0]; i++) {
        n += put_tlv(p + n, (uint8_t)(i + 1), tlvs[i]);
    }
    camlink_tx_start(d, CAMLINK_HELLO, flags, ref, n);
}

static void start_pong(struct camlink_device *d, const struct camlink_request *r)
{
    memcpy(d->scratch, r->payload, 8);
    camlink_put64(d->scratch + 8, r->rx_us);
    camlink_put32(d->scratch + 24, d->next_frame);
    camlink_tx_start(d, CAMLINK_PONG, CAMLINK_RESPONSE, r->ref, 28);
}

static void start_stats(struct camlink_device *d, uint16_t ref)
{
    struct camlink_health h = {.temperature = INT16_MIN};
    d->p->health(d->ctx, &h);
    const struct camlink_decoder *rx = &d->decoder;
    const uint32_t values[] = {
        (uint32_t)(d->p->now_us(d->ctx) / 1000000u),
        h.captured,
        d->frames_sent,
        d->skipped_credit,
        d->skipped_busy,
        h.camera_errors + d->bad_frames,
        d->tx_bytes,
        rx->header_errors + rx->version_errors + rx->length_errors + rx->payload_errors + d->strays,
        h.rx_overruns + d->requests_dropped,
        h.heap_free,
        h.heap_min,
        h.psram_free,
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++, n += 4) {
        camlink_put32(d->scratch + n, values[i]);
    }
    camlink_put16(d->scratch + n, (uint16_t)h.temperature);
    camlink_put16(d->scratch + n + 2, 0);
    camlink_tx_start(d, CAMLINK_STATS, CAMLINK_RESPONSE, ref, n + 4);
}

static void start_baud_set(struct camlink_device *d, const struct camlink_request *r)
{
    bool switches;
    uint8_t status = camlink_rate_set(d, r->payload, &switches);
    camlink_requests_start_result(d, r->type, r->ref, status);
    if (switches) {
        d->tx_after = CAMLINK_AFTER_BAUD_SET;
    }
}

static void start_reset(struct camlink_device *d, const struct camlink_request *r)
{
    uint8_t mode = r->payload[0];
    uint8_t status = CAMLINK_STATUS_OK;
    if (mode > RESET_DOWNLOAD || camlink_get32(r->payload + 4) != RESET_MAGIC) {
        status = CAMLINK_STATUS_INVALID;
    } else if (mode == RESET_DOWNLOAD && (d->id->features & CAMLINK_FEATURE_DOWNLOAD) == 0) {
        status = CAMLINK_STATUS_UNSUPPORTED;
    }
    camlink_requests_start_result(d, r->type, r->ref, status);
    if (status == CAMLINK_STATUS_OK) {
        d->reset_mode = mode;
        d->reset_ref = r->ref;
        d->tx_after = CAMLINK_AFTER_RESET;
    }
}

static uint8_t set_log_level(struct camlink_device *d, uint8_t level)
{
    if (level > CAMLINK_LOG_HIGHEST) {
        return CAMLINK_STATUS_INVALID;
    }
    camlink_log_set_level(d, level);
    return CAMLINK_STATUS_OK;
}

/* One packet of the answer to BAUD_PROBE. True when it was the last one. */
static bool start_pattern(struct camlink_device *d, const struct camlink_request *r)
{
    uint32_t token = camlink_get32(r->payload);
    uint16_t first = camlink_get16(r->payload + 4);
    uint16_t count = camlink_get16(r->payload + 6);
    if (count < 1 || count > PROBE_PATTERNS_MAX || !camlink_rate_proving(d, token)) {
        camlink_requests_start_result(d, r->type, r->ref, CAMLINK_STATUS_INVALID);
        return true;
    }
    size_t n = camlink_rate_pattern(d, token, (uint16_t)(first + d->request_part));
    camlink_tx_start(d, CAMLINK_BAUD_PATTERN, CAMLINK_RESPONSE, r->ref, n);
    d->request_part++;
    return d->request_part == count;
}

/* True when the answer is complete with the packet started. */
static bool start_answer(struct camlink_device *d, const struct camlink_request *r)
{
    uint8_t status = CAMLINK_STATUS_UNSUPPORTED;
    if (r->len < least_size(r->type)) {
        camlink_requests_start_result(d, r->type, r->ref, CAMLINK_STATUS_INVALID);
        return true;
    }
    switch (r->type) {
    case CAMLINK_HELLO_REQ:
        if (speaks_our_version(r->payload)) {
            camlink_rate_hello(d);
            camlink_requests_start_hello(d, CAMLINK_RESPONSE, r->ref);
            return true;
        }
        status = CAMLINK_STATUS_VERSION;
        break;
    case CAMLINK_PING:
        start_pong(d, r);
        return true;
    case CAMLINK_CONFIG_GET:
        if (r->len % 2 == 0) {
            camlink_tx_start(d, CAMLINK_CONFIG, CAMLINK_RESPONSE, r->ref, camlink_config_get(d, r->payload, r->len));
            return true;
        }
        status = CAMLINK_STATUS_INVALID;
        break;
    case CAMLINK_CONFIG_SET:
        if (r->len % 8 == 0) {
            camlink_tx_start(d, CAMLINK_CONFIG, CAMLINK_RESPONSE, r->ref, camlink_config_set(d, r->payload, r->len));
            return true;
        }
        status = CAMLINK_STATUS_INVALID;
        break;
    case CAMLINK_BAUD_SET:
        start_baud_set(d, r);
        return true;
    case CAMLINK_BAUD_PROBE:
        return start_pattern(d, r);
    case CAMLINK_BAUD_COMMIT:
        status = camlink_rate_committed(d, camlink_get32(r->payload)) ? CAMLINK_STATUS_OK : CAMLINK_STATUS_INVALID;
        break;
    case CAMLINK_STATS_REQ:
        start_stats(d, r->ref);
        return true;
    case CAMLINK_LOG_LEVEL:
        status = set_log_level(d, r->payload[0]);
        break;
    case CAMLINK_RESET:
        start_reset(d, r);
        return true;
    default:
        break;
    }
    camlink_requests_start_result(d, r->type, r->ref, status);
    return true;
}

bool camlink_requests_start_answer(struct camlink_device *d)
{
    if (d->request_part > 0 && !d->baud_trial) {
        pop(d); /* committed before its patterns were all sent: nobody needs the rest */
    }
    if (d->request_count == 0) {
        return false;
    }
    if (start_answer(d, &d->requests[d->request_first])) {
        pop(d);
    }
    return true;
}
