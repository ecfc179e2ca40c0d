/*
 * A UART receiver, bit by bit: what it makes of a line on which somebody sends 8N1 at a rate of their own. At equal
 * rates every byte comes through; at others the garbage that comes is the garbage a real one sees.
 */
#ifndef HOSTCAM_UART_H
#define HOSTCAM_UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More bytes than one sent byte can turn into: each needs a falling edge. */
#define UART_BURST 8u

struct uart_rx {
    enum uart_state { UART_IDLE, UART_START, UART_DATA, UART_STOP, UART_BREAK } state;
    bool low; /* level of the line */
    uint8_t shift, bits;
    uint64_t wait_ps; /* until the next sample */
};

/* Time of one bit in picoseconds; baud > 0. */
uint64_t uart_bit_ps(uint32_t baud);

/*
 * One byte crosses the line: sent at tx_baud, sampled at rx_baud. Writes what the receiver completed meanwhile to
 * out (room for UART_BURST) and returns how many. A byte without stop bit is delivered all the same, and a
 * break is a zero byte, as on a raw Linux terminal.
 */
size_t uart_cross(struct uart_rx *u, uint8_t byte, uint32_t tx_baud, uint32_t rx_baud, uint8_t *out);

/* The line rests at its idle level for ps picoseconds; out and the result as above. */
size_t uart_rest(struct uart_rx *u, uint64_t ps, uint32_t rx_baud, uint8_t *out);

#endif
