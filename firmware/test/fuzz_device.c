/*
 * Fuzzes the device. The input is a program for its world: bytes and requests from the host, time, pictures, and every
 * fault the platform's contract allows. A model that hears what the device reads says what it may do. Whatever has
 * happened, a good host that comes then gets a link and a picture.
 */
#include "assembler.h"
#include "camlink_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum config_key { QUALITY = 2, QUALITY_MAX = 50, TARGET_FPS = 31 };

enum world_limit { RX_MAX = 8192, MAX_FRAME = 20000, TOKEN = 0x0BADCAFE, HOST_TYPES = 0x40 };

/* How long a good host may have to wait: for the longest lease there is, and then for a picture. */
enum patience { STEP_MS = 10, WAIT_MS = 50, LEASE_MS = 65535 + 1000, PICTURE_MS = 3000 };

struct world {
    struct camlink_device *device;
    struct camlink_platform platform;
    struct camlink_identity identity;
    struct camlink_mailbox mailbox;
    uint64_t now_us;

    uint8_t rx[RX_MAX];
    size_t rx_len, rx_chunk, tx_room, tx_chunk;
    bool gone, undrained, refuse_check, refuse_switch, refuse_reset, refuse_quality, awake;
    uint32_t pictures; /* not given back */
    uint16_t seq;
    int32_t quality; /* the camera's, key 2 */
    uint32_t baud;   /* as set; 0: never */

    /* The model: what the host said, as far as the device read it. */
    struct camlink_decoder heard;
    uint8_t heard_buf[CAMLINK_MAX_HOST_PACKET];
    uint64_t heard_us;
    uint64_t rx_us; /* when it read bytes last */
    bool silence_told;
    uint32_t lease_ms;
    bool credit;       /* there was credit at some time during this poll */
    uint32_t limit;    /* the highest of this poll */
    bool credit_after; /* and at its end */
    uint32_t limit_after;
    uint64_t credit_us; /* last time there was any */
    bool parted;        /* there is no link, since parted_us */
    uint64_t parted_us;

    /* The host's receiver. */
    struct camlink_decoder host;
    uint8_t host_buf[CAMLINK_MAX_PACKET];
    struct assembler assembler;
    uint32_t frames; /* that came whole */
    bool answered;   /* the HELLO_REQ with the ref asked */
    uint16_t asked;
};

struct input {
    const uint8_t *p;
    size_t n;
};

static void require(bool condition, int line, const char *what)
{
    if (!condition) {
        fprintf(stderr, "%s:%d: %s\n", __FILE__, line, what);
        abort();
    }
}

#define REQUIRE(condition) require(condition, __LINE__, #condition)

static uint8_t next8(struct input *in)
{
    if (in->n == 0) {
        return 0;
    }
    in->n--;
    return *in->p++;
}

static uint16_t next16(struct input *in)
{
    uint16_t low = next8(in);
    return (uint16_t)(low | next8(in) << 8);
}

static void *allocate(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL) {
        abort();
    }
    return p;
}

/* ---- pictures: what a byte is follows from the length, so that the far end can check it */

static uint8_t picture_byte(uint32_t len, uint32_t i)
{
    return (uint8_t)(len + i * 31 + (i >> 8));
}

static void free_picture(struct world *w, struct camlink_frame *f)
{
    free(f->owner);
    free(f);
    REQUIRE(w->pictures > 0);
    w->pictures--;
}

static void put_picture(struct world *w, uint32_t len)
{
    struct camlink_frame *f = allocate(sizeof *f);
    uint8_t *data = allocate(len > 0 ? len : 1);
    for (uint32_t i = 0; i < len; i++) {
        data[i] = picture_byte(len, i);
    }
    *f = (struct camlink_frame){
        .data = data,
        .len = len,
        .t_capture_us = w->now_us,
        .quality = (uint8_t)w->quality,
        .owner = data,
    };
    w->pictures++;
    f = camlink_mailbox_put(&w->mailbox, f);
    if (f != NULL) {
        free_picture(w, f);
    }
}

static void host_frame(void *ctx, const struct assembled_frame *f)
{
    struct world *w = ctx;
    w->frames++;
    REQUIRE(f->len > 0 && f->len <= MAX_FRAME);
    for (uint32_t i = 0; i < f->len; i++) {
        REQUIRE(f->data[i] == picture_byte(f->len, i));
    }
}

static void host_reject(void *ctx, uint32_t no, enum reject_reason reason)
{
    (void)ctx;
    (void)no;
    REQUIRE(reason == REJECT_INCOMPLETE || reason == REJECT_ABORTED);
}

static void host_lost(void *ctx, uint32_t count)
{
    (void)ctx;
    REQUIRE(count > 0);
}

/* ---- the model */

static void allow(struct world *w, uint32_t limit)
{
    if (!w->credit || (int32_t)(limit - w->limit) > 0) {
        w->limit = limit;
    }
    w->credit = true;
}

static void hear(struct world *w, const struct camlink_packet *p)
{
    if (p->type < HOST_TYPES) {
        return;
    }
    w->heard_us = w->now_us;
    if (p->type == CAMLINK_HELLO_REQ && p->len >= 12 && p->payload[0] <= 1 && p->payload[1] >= 1) {
        w->credit_after = false;
        w->lease_ms = 3000;
    } else if (p->type == CAMLINK_CREDIT && p->len >= 8) {
        w->credit_after = camlink_get16(p->payload + 6) > 0;
        w->limit_after = camlink_get32(p->payload);
        w->lease_ms = camlink_get16(p->payload + 6);
        if (w->credit_after) {
            allow(w, w->limit_after);
        }
    }
}

/* ---- the platform */

static uint64_t now_us(void *ctx)
{
    const struct world *w = ctx;
    return w->now_us;
}

/* A HELLO that answers nothing tells a host that believes itself linked that it is not. */
static void take_sent(struct world *w, const struct camlink_packet *packet)
{
    assembler_take(&w->assembler, packet);
    if (packet->type == CAMLINK_HELLO) {
        w->answered = (packet->flags & CAMLINK_RESPONSE) != 0 && packet->ref == w->asked;
    }
}

static void feed(struct camlink_decoder *d, const uint8_t *p, size_t n, struct world *w, bool from_host)
{
    while (n > 0) {
        uint8_t *room;
        size_t size = camlink_decoder_room(d, &room);
        REQUIRE(size > 0);
        size = size < n ? size : n;
        memcpy(room, p, size);
        camlink_decoder_fed(d, size);
        p += size;
        n -= size;
        struct camlink_packet packet;
        while (camlink_decode_next(d, &packet, NULL, NULL) == CAMLINK_EVENT_PACKET) {
            if (from_host) {
                hear(w, &packet);
            } else {
                take_sent(w, &packet);
            }
        }
    }
}

static void take_heard(struct world *w)
{
    struct camlink_packet packet;
    while (camlink_decode_next(&w->heard, &packet, NULL, NULL) == CAMLINK_EVENT_PACKET) {
        hear(w, &packet);
    }
}

static void forget_heard(struct world *w)
{
    w->heard.start = w->heard.end = w->heard.consumed = 0;
}

static int line_write(void *ctx, const uint8_t *p, size_t n)
{
    struct world *w = ctx;
    REQUIRE(n > 0);
    if (w->gone) {
        forget_heard(w);
        return -1;
    }
    n = n < w->tx_room ? n : w->tx_room;
    n = n < w->tx_chunk ? n : w->tx_chunk;
    w->tx_room -= n;
    feed(&w->host, p, n, w, false);
    return (int)n;
}

static int line_read(void *ctx, uint8_t *p, size_t n)
{
    struct world *w = ctx;
    REQUIRE(n > 0);
    if (w->gone) {
        forget_heard(w);
        return -1;
    }
    n = n < w->rx_len ? n : w->rx_len;
    n = n < w->rx_chunk ? n : w->rx_chunk;
    memcpy(p, w->rx, n);
    w->rx_len -= n;
    memmove(w->rx, w->rx + n, w->rx_len);
    if (n > 0) {
        feed(&w->heard, p, n, w, true);
        w->rx_us = w->now_us;
        w->silence_told = false;
    } else if (!w->silence_told && w->now_us >= w->rx_us + CAMLINK_SILENCE_MS * 1000u) {
        camlink_decoder_silence(&w->heard);
        take_heard(w);
        w->silence_told = true;
    }
    return (int)n;
}

static bool line_drained(void *ctx)
{
    const struct world *w = ctx;
    return !w->undrained;
}

static bool line_set_baud(void *ctx, uint32_t baud, bool check_only)
{
    struct world *w = ctx;
    REQUIRE(baud != 0);
    bool can = !(check_only ? w->refuse_check : w->refuse_switch);
    if (can && !check_only) {
        w->baud = baud;
        forget_heard(w); /* what came at the old rate is nothing at the new one */
    }
    return can;
}

static void camera_sensor(void *ctx, bool awake)
{
    struct world *w = ctx;
    w->awake = awake;
}

static void camera_release(void *ctx, struct camlink_frame *f)
{
    free_picture(ctx, f);
}

static size_t config_count(void *ctx)
{
    (void)ctx;
    return CAMLINK_CONFIG_MAX + 3;
}

static void config_get(void *ctx, size_t i, struct camlink_config_item *item)
{
    const struct world *w = ctx;
    REQUIRE(i < CAMLINK_CONFIG_MAX);
    *item = (struct camlink_config_item){.key = (uint16_t)(i + 1), .max = 100};
    if (item->key == QUALITY) {
        item->value = w->quality;
        item->max = QUALITY_MAX;
    }
}

static void config_set(void *ctx, size_t i, int32_t value, uint16_t flags, struct camlink_config_item *item)
{
    struct world *w = ctx;
    const struct camlink_rate_control *r = &w->device->rate_control;
    (void)flags;
    config_get(ctx, i, item);
    if (item->key == QUALITY) {
        int32_t worst = r->quality_worst < QUALITY_MAX ? r->quality_worst : QUALITY_MAX;
        int32_t best = r->quality_best < worst ? r->quality_best : worst;
        REQUIRE(r->target_fps == 0 || (value >= best && value <= worst));
        if (w->refuse_quality) {
            return;
        }
        w->quality = value < 0 ? 0 : value > QUALITY_MAX ? QUALITY_MAX : value;
        value = w->quality;
    }
    item->value = value;
}

static void health(void *ctx, struct camlink_health *h)
{
    (void)ctx;
    h->captured = 1;
}

static bool reset(void *ctx, uint8_t mode)
{
    const struct world *w = ctx;
    REQUIRE(mode <= 1);
    return !w->refuse_reset;
}

/* ---- the host's and the world's moves */

static void send_bytes(struct world *w, const uint8_t *p, size_t n)
{
    n = n < RX_MAX - w->rx_len ? n : RX_MAX - w->rx_len;
    memcpy(w->rx + w->rx_len, p, n);
    w->rx_len += n;
}

static void send_packet(struct world *w, uint8_t type, const uint8_t *payload, size_t len)
{
    struct camlink_header h = {.type = type, .seq = w->seq++, .ref = w->seq};
    struct camlink_encoder e;
    const uint8_t *p;
    size_t n;
    camlink_encode(&e, &h, NULL, 0, payload, len);
    while ((n = camlink_encoder_span(&e, &p)) > 0) {
        send_bytes(w, p, n);
        camlink_encoder_take(&e, n);
    }
}

static void send_any(struct world *w, struct input *in, bool as_packet)
{
    uint8_t type = next8(in);
    size_t n = next8(in) % 100;
    n = n < in->n ? n : in->n;
    if (as_packet) {
        send_packet(w, type, in->p, n);
    } else {
        send_bytes(w, in->p, n);
    }
    in->p += n;
    in->n -= n;
}

static void send_rate(struct world *w, struct input *in)
{
    uint8_t p[72] = {0};
    uint8_t what = next8(in);
    camlink_put32(p + (what % 3 == 0 ? 4 : 0), TOKEN);
    switch (what % 3) {
    case 0:
        camlink_put32(p, (uint32_t)next16(in) * 100);
        camlink_put16(p + 8, next16(in));
        send_packet(w, CAMLINK_BAUD_SET, p, 12);
        break;
    case 1:
        camlink_put16(p + 6, next8(in) % 20);
        send_packet(w, CAMLINK_BAUD_PROBE, p, sizeof p);
        break;
    default:
        send_packet(w, CAMLINK_BAUD_COMMIT, p, 4);
    }
}

static void send_credit(struct world *w, struct input *in)
{
    uint8_t p[8];
    camlink_put32(p, w->device->next_frame + next8(in) - 2);
    camlink_put16(p + 4, next8(in));
    camlink_put16(p + 6, next16(in));
    send_packet(w, CAMLINK_CREDIT, p, sizeof p);
}

/* Rate control's keys, and quality. */
static void send_pace(struct world *w, struct input *in)
{
    uint8_t p[8] = {0};
    uint8_t what = next8(in) % 4;
    camlink_put16(p, what < 3 ? (uint16_t)(TARGET_FPS + what) : QUALITY);
    camlink_put16(p + 4, next16(in) % 2000);
    send_packet(w, CAMLINK_CONFIG_SET, p, sizeof p);
}

static void set_faults(struct world *w, struct input *in)
{
    uint8_t bits = next8(in);
    w->gone = (bits & 1) != 0;
    w->undrained = (bits & 2) != 0;
    w->refuse_check = (bits & 4) != 0;
    w->refuse_switch = (bits & 8) != 0;
    w->refuse_reset = (bits & 16) != 0;
    w->refuse_quality = (bits & 128) != 0;
    w->rx_chunk = (bits & 32) != 0 ? 1 : SIZE_MAX;
    w->tx_chunk = (bits & 64) != 0 ? 3 : SIZE_MAX;
}

static void move(struct world *w, struct input *in)
{
    static const uint8_t hello_req[12] = {1, 1};
    static const uint8_t reset_req[8] = {0, 0, 0, 0, 'R', 'E', 'S', 'E'};
    uint8_t what = next8(in);
    switch (what < 252 ? what % 12 : what) {
    case 0:
        send_any(w, in, false);
        break;
    case 1:
        send_any(w, in, true);
        break;
    case 2:
        w->now_us += next16(in) * UINT64_C(100);
        break;
    case 3:
        w->tx_room = next16(in);
        break;
    case 4:
        put_picture(w, next16(in) % (MAX_FRAME + 2));
        break;
    case 5:
        set_faults(w, in);
        break;
    case 6:
        camlink_device_line_reset(w->device);
        w->credit_after = false;
        w->lease_ms = 3000;
        forget_heard(w);
        break;
    case 7:
        camlink_device_log(w->device, next8(in) % 6, "tag", "a line of log that is long enough to fill the ring soon");
        break;
    case 8:
        send_packet(w, CAMLINK_HELLO_REQ, hello_req, sizeof hello_req);
        break;
    case 9:
        send_credit(w, in);
        break;
    case 10:
        send_rate(w, in);
        break;
    case 11:
        send_packet(w, CAMLINK_RESET, reset_req, sizeof reset_req);
        break;
    default:
        send_pace(w, in);
    }
}

static bool one_way(const struct world *w)
{
    return (w->identity.features & CAMLINK_FEATURE_ONE_WAY) != 0;
}

static void poll(struct world *w)
{
    uint32_t first = w->device->next_frame;
    w->credit = w->credit_after;
    w->limit = w->limit_after;
    if (w->credit && (int32_t)(w->limit - first) >= 0) {
        w->credit_us = w->now_us;
    }
    REQUIRE(camlink_device_poll(w->device) <= 500);

    uint32_t begun = w->device->next_frame - first;
    bool linked = camlink_device_linked(w->device);
    uint32_t held = w->device->frame != NULL;
    uint32_t boxed = atomic_load(&w->mailbox.frame) != NULL;
    REQUIRE(w->pictures == held + boxed);
    if (one_way(w)) {
        return;
    }
    if (w->credit && (int32_t)(w->limit - first) >= 0) {
        w->credit_us = w->now_us;
    }
    /* Frames only with credit. */
    REQUIRE(begun == 0 || (w->credit && (int32_t)(w->limit - (w->device->next_frame - 1)) >= 0));
    /* The lease always ends. */
    REQUIRE(!linked || w->now_us - w->heard_us < w->lease_ms * UINT64_C(1000));
    if (!linked && !w->parted) {
        w->parted_us = w->now_us;
    }
    w->parted = !linked;
    if (!linked) {
        w->credit_after = false;
        w->lease_ms = 3000;
    }
    /* Nothing is kept back for long without a link, nor the sensor awake without credit. */
    REQUIRE(held == 0 || linked || w->now_us - w->parted_us < 100000);
    REQUIRE(!w->awake || (linked && w->now_us - w->credit_us < 1000000));
}

static struct world *world_new(uint8_t kind)
{
    static const struct assembler_sink sink = {host_frame, host_reject, host_lost};
    struct world *w = allocate(sizeof *w);
    w->device = allocate(sizeof *w->device);
    w->platform = (struct camlink_platform){
        .now_us = now_us,
        .write = line_write,
        .read = line_read,
        .drained = line_drained,
        .set_baud = (kind & 1) != 0 ? NULL : line_set_baud,
        .sensor = camera_sensor,
        .frame_release = camera_release,
        .config_count = (kind & 2) != 0 ? NULL : config_count,
        .config_get = config_get,
        .config_set = config_set,
        .health = health,
        .reset = reset,
    };
    w->identity = (struct camlink_identity){
        .max_frame = MAX_FRAME,
        .features = CAMLINK_FEATURE_CREDIT | CAMLINK_FEATURE_BAUD | ((kind & 4) != 0 ? CAMLINK_FEATURE_ONE_WAY : 0u),
        .transport = (kind & 8) != 0 ? CAMLINK_USB_CDC : CAMLINK_UART,
        .firmware = "f",
        .name = "a name",
    };
    w->now_us = 1000000;
    w->lease_ms = 3000;
    w->rx_chunk = w->tx_chunk = w->tx_room = SIZE_MAX;
    camlink_mailbox_init(&w->mailbox);
    camlink_decoder_init(&w->host, w->host_buf, sizeof w->host_buf, NULL, 0);
    camlink_decoder_init(&w->heard, w->heard_buf, sizeof w->heard_buf, NULL, 0);
    assembler_init(&w->assembler, MAX_FRAME, &sink, w);
    camlink_device_init(w->device, &w->platform, w, &w->identity, &w->mailbox);
    return w;
}

static void world_free(struct world *w)
{
    struct camlink_frame *f = camlink_mailbox_take(&w->mailbox);
    if (f != NULL) {
        free_picture(w, f);
    }
    if (w->device->frame != NULL) {
        free_picture(w, w->device->frame);
    }
    REQUIRE(w->pictures == 0);
    assembler_done(&w->assembler);
    free(w->device);
    free(w);
}

/* ---- after all that, a good host on a good line */

static bool at_base(const struct world *w)
{
    return w->baud == 0 || w->baud == CAMLINK_BASE_BAUD;
}

static void ask(struct world *w)
{
    static const uint8_t hello_req[12] = {1, 1};
    send_packet(w, CAMLINK_HELLO_REQ, hello_req, sizeof hello_req);
    w->asked = w->seq; /* as send_packet numbers them */
}

/* Credit for two frames, and the rate that the line carries: what paced an earlier host is not this one's wish. */
static void want_pictures(struct world *w)
{
    uint8_t credit[8], pace[8] = {TARGET_FPS};
    camlink_put32(credit, w->device->next_frame + 1);
    camlink_put16(credit + 4, 0);
    camlink_put16(credit + 6, 3000);
    send_packet(w, CAMLINK_CREDIT, credit, sizeof credit);
    send_packet(w, CAMLINK_CONFIG_SET, pace, sizeof pace);
}

static void recover(struct world *w)
{
    w->gone = w->undrained = w->refuse_check = w->refuse_switch = w->refuse_reset = w->refuse_quality = false;
    w->rx_chunk = w->tx_chunk = w->tx_room = SIZE_MAX;
    w->answered = false;
    uint32_t before = w->frames, waited_ms = 0;
    for (uint32_t ms = 0, step = STEP_MS; w->frames == before; ms += step) {
        REQUIRE(ms < LEASE_MS + PICTURE_MS);
        REQUIRE(waited_ms < PICTURE_MS);
        /* A host that is not at the device's rate is not understood. */
        if (at_base(w)) {
            waited_ms += STEP_MS;
            if (!w->answered && !one_way(w) && ms % 250 == 0) {
                ask(w);
            }
            if (w->answered && !one_way(w) && ms % 500 == 0) {
                want_pictures(w);
            }
        } else {
            waited_ms = 0;
        }
        step = at_base(w) ? STEP_MS : WAIT_MS;
        if (ms % 100 == 0) {
            put_picture(w, 1000);
        }
        w->now_us += step * UINT64_C(1000);
        poll(w);
        camlink_decoder_silence(&w->host);
        struct camlink_packet packet;
        while (camlink_decode_next(&w->host, &packet, NULL, NULL) == CAMLINK_EVENT_PACKET) {
            take_sent(w, &packet);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct world *w = world_new(next8(&in));
    while (in.n > 0) {
        move(w, &in);
        poll(w);
    }
    recover(w);
    world_free(w);
    return 0;
}
