/*
 * The line between the device's pins and the terminal: two transmitters that send at their own rates, two
 * receivers that sample at theirs, and time that passes as on copper. On USB bytes just flow.
 */
#ifndef HOSTCAM_WIRE_H
#define HOSTCAM_WIRE_H

#include "counters.h"
#include "faults.h"
#include "options.h"
#include "pty.h"
#include "ring.h"
#include "uart.h"

#include <stdbool.h>

#define WIRE_UART_FIFO 128u /* an ESP32's */
#define WIRE_USB_FIFO 4096u
#define WIRE_HOST_BUFFER 65536u /* what a serial driver holds for a slow reader */
#define WIRE_USB_BUFFER 8192u

/* One direction. Times count picoseconds and wrap. */
struct wire_way {
    struct ring fifo;  /* of the transmitter */
    struct uart_rx rx; /* the receiver at the other end */
    uint64_t line_ps;  /* the line is free from here on */
    bool starved;      /* the FIFO is kept full by somebody who has more: an empty one is our delay, not an idle line */
};

struct wire {
    const struct options *options;
    struct counters *counters;
    struct pty *pty;
    struct faults faults;
    uint32_t baud; /* the device's; 0: USB */

    struct wire_way to_host, to_device;
    struct ring host;    /* has crossed the line, waits for the terminal */
    struct ring device;  /* has crossed the line, waits for the core */
    uint64_t blocked_ns; /* since when the terminal takes nothing; 0: it does */
    bool deaf;           /* nobody reads: what arrives is lost */

    /* The host changed its rate: what it wrote up to old_until (of to_device.fifo) crosses at the old one. */
    uint32_t old_baud;
    size_t old_until;
    uint32_t heard_baud; /* at which it last wrote since it opened the port; 0: not yet */

    uint64_t stall_due_ns, stall_end_ns;
    bool stalled;

    uint8_t tx_room[WIRE_USB_FIFO];
    uint8_t rx_room[4096];
    uint8_t host_room[WIRE_HOST_BUFFER];
    uint8_t device_room[4096];
};

void wire_init(struct wire *w, const struct options *o, struct counters *c, struct pty *pty);

/* The transmit FIFO is the core's to fill: say whether it wants to give more than fits. */
void wire_starve(struct wire *w, bool more);

/* Terminal to core: reads, lets time pass. Call before the core is polled. */
void wire_receive(struct wire *w, uint64_t now_ns);

/* Core to terminal: lets time pass until now. in_packet: the core is amid a packet. True: there is room and
 * time for more, fill the FIFO and call again. */
bool wire_send(struct wire *w, uint64_t now_ns, bool in_packet);

/* Hands what has arrived to the terminal. */
void wire_flush(struct wire *w, uint64_t now_ns);

/* When to call again, if the core adds nothing. */
uint64_t wire_due_ns(const struct wire *w, uint64_t now_ns);

/* True once the last bit has left the transmit pin. */
bool wire_drained(const struct wire *w, uint64_t now_ns);

/* Time until what the FIFO holds has left the transmit pin. */
uint64_t wire_left_ns(const struct wire *w);

/* True once nothing waits for the terminal either. */
bool wire_delivered(const struct wire *w);

/* True while the terminal must say when it takes more. */
bool wire_blocked(const struct wire *w);

/* The device was reset or lost power: its FIFOs are gone, its pin rests. */
void wire_reset(struct wire *w);
/* The other end of the line was closed or pulled out: what waits for it is lost. */
void wire_hang_up(struct wire *w);

#endif
