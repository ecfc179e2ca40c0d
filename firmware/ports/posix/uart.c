#include "uart.h"

uint64_t uart_bit_ps(uint32_t baud)
{
    return 1000000000000ull / baud;
}

/* The line keeps one level for ps. */
static size_t hold(struct uart_rx *u, bool high, uint64_t ps, uint64_t bit_ps, uint8_t *out)
{
    size_t n = 0;
    bool falling = !u->low && !high;
    u->low = !high;
    if (u->state == UART_BREAK && high) {
        u->state = UART_IDLE;
    }
    if (u->state == UART_IDLE && falling) {
        u->state = UART_START;
        u->wait_ps = bit_ps / 2;
    }
    while (u->state != UART_IDLE && u->state != UART_BREAK && u->wait_ps <= ps) {
        ps -= u->wait_ps;
        u->wait_ps = bit_ps;
        if (u->state == UART_START) {
            u->state = high ? UART_IDLE : UART_DATA;
            u->shift = 0;
            u->bits = 0;
        } else if (u->state == UART_DATA) {
            u->shift = (uint8_t)(u->shift >> 1 | (high ? 0x80 : 0));
            u->state = ++u->bits == 8 ? UART_STOP : UART_DATA;
        } else {
            out[n++] = u->shift;
            u->state = high ? UART_IDLE : UART_BREAK;
        }
    }
    u->wait_ps -= u->wait_ps < ps ? u->wait_ps : ps;
    return n;
}

size_t uart_cross(struct uart_rx *u, uint8_t byte, uint32_t tx_baud, uint32_t rx_baud, uint8_t *out)
{
    /* Within 2 % of each other both ends agree, and an idle receiver sees exactly what was sent. */
    uint32_t off = tx_baud > rx_baud ? tx_baud - rx_baud : rx_baud - tx_baud;
    if (u->state == UART_IDLE && !u->low && (uint64_t)off * 50 <= rx_baud) {
        out[0] = byte;
        return 1;
    }
    uint64_t tx_ps = uart_bit_ps(tx_baud), rx_ps = uart_bit_ps(rx_baud);
    size_t n = hold(u, false, tx_ps, rx_ps, out);
    for (int i = 0; i < 8; i++) {
        n += hold(u, (byte >> i & 1) != 0, tx_ps, rx_ps, out + n);
    }
    return n + hold(u, true, tx_ps, rx_ps, out + n);
}

size_t uart_rest(struct uart_rx *u, uint64_t ps, uint32_t rx_baud, uint8_t *out)
{
    return hold(u, true, ps, uart_bit_ps(rx_baud), out);
}
