#include "wire.h"

#include "clock.h"

#include <string.h>

/* A process that is late may catch up so far: more would be a burst that no UART can send, less would cost rate. */
#define CATCH_UP_PS (50 * 1000000000ll)
#define GIVE_UP_NS (200 * NS_PER_MS)
#define TICK_NS NS_PER_MS

/* One byte on the line may become so many at the terminal. */
#define BURST ((size_t)UART_BURST * FAULTS_BURST)

static uint64_t to_ps(uint64_t ns)
{
    return ns * 1000u;
}

static uint64_t byte_ps(uint32_t baud)
{
    return 10 * uart_bit_ps(baud);
}

static uint64_t stall_gap_ns(const struct options *o)
{
    return (uint64_t)(o->stall_every * 1e9);
}

void wire_init(struct wire *w, const struct options *o, struct counters *c, struct pty *pty)
{
    w->options = o;
    w->counters = c;
    w->pty = pty;
    faults_init(&w->faults, o, c);
    w->baud = 0;
    w->to_host = (struct wire_way){0};
    w->to_device = (struct wire_way){0};
    ring_init(&w->to_host.fifo, w->tx_room, o->usb ? WIRE_USB_FIFO : WIRE_UART_FIFO);
    ring_init(&w->to_device.fifo, w->rx_room, sizeof w->rx_room);
    ring_init(&w->host, w->host_room, o->usb ? WIRE_USB_BUFFER : WIRE_HOST_BUFFER);
    ring_init(&w->device, w->device_room, sizeof w->device_room);
    w->blocked_ns = 0;
    w->deaf = false;
    w->old_baud = 0;
    w->old_until = 0;
    w->heard_baud = 0;
    w->stalled = false;
    w->stall_end_ns = 0;
    w->stall_due_ns = o->stall_ms != 0 ? clock_ns() + stall_gap_ns(o) : CLOCK_NEVER;
}

void wire_starve(struct wire *w, bool more)
{
    w->to_host.starved = more;
}

static bool too_fast(const struct wire *w)
{
    return w->options->garble_above != 0 && w->baud > w->options->garble_above;
}

/* ---- Core to terminal --------------------------------------------------------------------- */

/* The host's receiver completed a byte. */
static void arrive(struct wire *w, uint8_t byte)
{
    uint8_t out[FAULTS_BURST];
    size_t n = faults_apply(&w->faults, too_fast(w) ? faults_garble(&w->faults, byte) : byte, out);
    for (size_t i = 0; i < n; i++) {
        ring_push(&w->host, out[i]);
    }
}

static bool anybody_there(const struct wire *w)
{
    return w->pty->open && !w->deaf && (w->baud == 0 || w->pty->baud != 0);
}

/* One byte leaves the transmit pin. There must be room for BURST at the terminal. */
static void leave(struct wire *w, uint8_t byte)
{
    if (w->options->mute) {
        return;
    }
    count(&w->counters->bytes_out, 1);
    if (!anybody_there(w)) {
        count(&w->counters->bytes_lost, 1);
        return;
    }
    if (w->baud == 0) {
        arrive(w, byte);
        return;
    }
    uint8_t got[UART_BURST];
    size_t n = uart_cross(&w->to_host.rx, byte, w->baud, w->pty->baud, got);
    for (size_t i = 0; i < n; i++) {
        arrive(w, got[i]);
    }
}

/* Nothing is sent from line_ps to now. */
static void rest(struct wire *w, uint64_t now_ps)
{
    if (w->baud != 0 && w->pty->baud != 0 && (int64_t)(now_ps - w->to_host.line_ps) > 0) {
        uint8_t got[UART_BURST];
        size_t n = uart_rest(&w->to_host.rx, now_ps - w->to_host.line_ps, w->pty->baud, got);
        for (size_t i = 0; i < n && anybody_there(w); i++) {
            arrive(w, got[i]);
        }
    }
    w->to_host.line_ps = now_ps;
}

/* True while the line pauses. */
static bool stall(struct wire *w, uint64_t now_ns, bool in_packet)
{
    if (w->stalled && now_ns >= w->stall_end_ns) {
        w->stalled = false;
        w->stall_due_ns = now_ns + stall_gap_ns(w->options);
    } else if (!w->stalled && now_ns >= w->stall_due_ns && in_packet && ring_used(&w->to_host.fifo) > 0) {
        w->stalled = true;
        w->stall_end_ns = now_ns + w->options->stall_ms * NS_PER_MS;
        count(&w->counters->stalls, 1);
    }
    return w->stalled;
}

/* A flow without rate: as much as the terminal's side holds. */
static bool flow(struct wire *w)
{
    bool moved = false;
    while (ring_used(&w->to_host.fifo) > 0 && ring_room(&w->host) >= BURST) {
        leave(w, ring_pop(&w->to_host.fifo));
        moved = true;
    }
    return moved;
}

bool wire_send(struct wire *w, uint64_t now_ns, bool in_packet)
{
    struct wire_way *way = &w->to_host;
    uint64_t now = to_ps(now_ns);
    if (stall(w, now_ns, in_packet) || ring_room(&w->host) < BURST) {
        rest(w, now);
        return false;
    }
    if (w->baud == 0) {
        return flow(w);
    }
    int64_t late = (int64_t)(now - way->line_ps);
    if (late > CATCH_UP_PS) {
        rest(w, now - CATCH_UP_PS);
    }
    uint64_t step = byte_ps(w->baud);
    bool moved = false;
    while (ring_used(&way->fifo) > 0 && (int64_t)(now - way->line_ps - step) >= 0 && ring_room(&w->host) >= BURST) {
        leave(w, ring_pop(&way->fifo));
        way->line_ps += step;
        moved = true;
    }
    if (ring_used(&way->fifo) > 0) {
        return false;
    }
    if (!way->starved && (int64_t)(now - way->line_ps) > 0) {
        rest(w, now);
    }
    return moved;
}

void wire_flush(struct wire *w, uint64_t now_ns)
{
    if (w->deaf && pty_takes(w->pty)) {
        w->deaf = false;
        w->blocked_ns = 0;
    }
    while (ring_used(&w->host) > 0) {
        const uint8_t *p;
        size_t span = ring_span(&w->host, &p);
        size_t n = pty_write(w->pty, p, span);
        if (n == 0) {
            w->blocked_ns = w->blocked_ns != 0 ? w->blocked_ns : now_ns;
            break;
        }
        w->host.out += n;
        w->blocked_ns = 0;
    }
    /* USB holds the device back; a UART has no way to. */
    if (w->baud != 0 && w->blocked_ns != 0 && now_ns - w->blocked_ns > GIVE_UP_NS) {
        count(&w->counters->bytes_lost, ring_used(&w->host));
        ring_clear(&w->host);
        w->deaf = true;
    }
}

bool wire_drained(const struct wire *w, uint64_t now_ns)
{
    if (ring_used(&w->to_host.fifo) > 0) {
        return false;
    }
    return w->baud == 0 || (int64_t)(to_ps(now_ns) - w->to_host.line_ps) >= 0;
}

uint64_t wire_left_ns(const struct wire *w)
{
    return w->baud == 0 ? 0 : ring_used(&w->to_host.fifo) * byte_ps(w->baud) / 1000;
}

bool wire_delivered(const struct wire *w)
{
    return ring_used(&w->to_host.fifo) == 0 && ring_used(&w->host) == 0;
}

bool wire_blocked(const struct wire *w)
{
    return ring_used(&w->host) > 0 || w->deaf;
}

/* ---- Terminal to core --------------------------------------------------------------------- */

static void fill(struct wire *w)
{
    struct ring *fifo = &w->to_device.fifo;
    uint8_t *p;
    size_t room, n;
    while ((room = ring_gap(fifo, &p)) > 0 && (n = pty_read(w->pty, p, room)) > 0) {
        fifo->in += n;
    }
}

/*
 * Reads, then looks at the rate. Draining a terminal waits for nothing, so a host that drains its line before it
 * changes the rate, as it must, seems to change it in mid-send. What was read before is sent at the old rate. What came
 * together with the change is given the benefit of the doubt if it looks like a last word: from a host that spoke to us
 * at the old rate, and went down.
 */
static void read_host(struct wire *w)
{
    struct ring *fifo = &w->to_device.fifo;
    size_t before = fifo->in;
    uint32_t baud = w->pty->baud;
    w->heard_baud = w->pty->open ? w->heard_baud : 0;
    fill(w);
    pty_look(w->pty);
    if (w->pty->baud != baud) {
        bool last_word = baud == w->baud && baud == w->heard_baud && w->pty->baud < baud;
        w->old_baud = baud;
        w->old_until = last_word ? fifo->in : before;
    }
    if (fifo->in != before) {
        w->heard_baud = w->pty->baud;
    }
    if (w->options->one_way) {
        ring_clear(fifo);
    }
}

static uint32_t sent_at(const struct wire *w)
{
    bool old = (ptrdiff_t)(w->old_until - w->to_device.fifo.out) > 0;
    return old ? w->old_baud : w->pty->baud;
}

static void receive_byte(struct wire *w, uint8_t byte, uint32_t baud)
{
    uint8_t got[UART_BURST] = {byte};
    size_t n = w->baud == 0 ? 1 : uart_cross(&w->to_device.rx, byte, baud, w->baud, got);
    for (size_t i = 0; i < n; i++) {
        ring_push(&w->device, too_fast(w) ? faults_garble(&w->faults, got[i]) : got[i]);
        count(&w->counters->bytes_in, 1);
    }
}

static void rest_device(struct wire *w, uint64_t now)
{
    struct wire_way *way = &w->to_device;
    int64_t idle = (int64_t)(now - way->line_ps);
    if (w->baud != 0 && idle > 0) {
        uint8_t got[UART_BURST];
        size_t n = uart_rest(&way->rx, (uint64_t)idle, w->baud, got);
        for (size_t i = 0; i < n && ring_room(&w->device) > 0; i++) {
            ring_push(&w->device, got[i]);
        }
    }
    way->line_ps = now;
}

void wire_receive(struct wire *w, uint64_t now_ns)
{
    struct wire_way *way = &w->to_device;
    uint64_t now = to_ps(now_ns);
    if (ring_used(&way->fifo) == 0) {
        rest_device(w, now);
    }
    /* What the core is about to say was not said before now. */
    if (ring_used(&w->to_host.fifo) == 0 && !w->to_host.starved) {
        rest(w, now);
    }
    read_host(w);
    if ((int64_t)(now - way->line_ps) > CATCH_UP_PS) {
        rest_device(w, now - CATCH_UP_PS);
    }
    while (ring_used(&way->fifo) > 0 && ring_room(&w->device) >= UART_BURST) {
        uint32_t baud = sent_at(w);
        if (w->baud != 0 && baud == 0) {
            (void)ring_pop(&way->fifo);
            continue;
        }
        if (w->baud != 0) {
            uint64_t step = byte_ps(baud);
            if ((int64_t)(now - way->line_ps - step) < 0) {
                break;
            }
            way->line_ps += step;
        }
        receive_byte(w, ring_pop(&way->fifo), baud);
    }
}

/* ---- Both --------------------------------------------------------------------------------- */

uint64_t wire_due_ns(const struct wire *w, uint64_t now_ns)
{
    uint64_t due = CLOCK_NEVER;
    size_t out = ring_used(&w->to_host.fifo), in = ring_used(&w->to_device.fifo);
    if (out > 0 && w->stalled) {
        due = w->stall_end_ns;
    } else if (out > 0 && ring_room(&w->host) >= BURST) {
        /* When all of it is out, or in a tick: by then a full FIFO has been refilled as if in time. */
        uint64_t all = w->baud == 0 || w->to_host.starved ? TICK_NS : out * byte_ps(w->baud) / 1000 + 1000;
        due = now_ns + clock_earlier(all, TICK_NS);
    }
    if (in > 0) {
        uint32_t baud = sent_at(w);
        uint64_t all = w->baud == 0 || baud == 0 ? TICK_NS : in * byte_ps(baud) / 1000 + 1000;
        due = clock_earlier(due, now_ns + clock_earlier(all, TICK_NS));
    }
    if (w->blocked_ns != 0 && w->baud != 0 && !w->deaf) {
        due = clock_earlier(due, w->blocked_ns + GIVE_UP_NS + NS_PER_MS);
    }
    return due;
}

void wire_reset(struct wire *w)
{
    ring_clear(&w->to_host.fifo);
    ring_clear(&w->device);
    w->to_host.starved = false;
    w->to_device.rx = (struct uart_rx){0};
}

void wire_hang_up(struct wire *w)
{
    count(&w->counters->bytes_lost, ring_used(&w->host));
    ring_clear(&w->host);
    w->to_host.rx = (struct uart_rx){0};
    w->blocked_ns = 0;
    w->deaf = false;
}
