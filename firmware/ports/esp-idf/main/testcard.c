#include "testcard.h"

#include <stdbool.h>
#include <string.h>

enum card_geometry { CELL = 8, MCU = 16, CELLS = 2, BARS = 8, BOX = 2, DIGITS = 6, DIGIT_WIDTH = 4, DIGIT_HEIGHT = 5 };

static const struct control_size sizes[] = {{96, 96},   {160, 120}, {128, 128}, {176, 144},
                                            {240, 176}, {240, 240}, {320, 240}};

/* White, yellow, cyan, green, magenta, red, blue, black, at 75 %. */
static const struct colour {
    uint8_t y, cb, cr;
} bars[BARS] = {{180, 128, 128}, {168, 44, 136}, {145, 147, 44}, {133, 63, 52},
                {63, 193, 204},  {51, 109, 212}, {28, 212, 120}, {16, 128, 128}};

/* 3 x 5 cells each, from the top, the left one highest. */
static const uint8_t digits[10][DIGIT_HEIGHT] = {
    {7, 5, 5, 5, 7}, {2, 6, 2, 2, 7}, {7, 1, 7, 4, 7}, {7, 1, 7, 1, 7}, {5, 5, 7, 1, 1},
    {7, 4, 7, 1, 7}, {7, 4, 7, 5, 7}, {7, 1, 1, 1, 1}, {7, 5, 7, 5, 7}, {7, 5, 7, 1, 7},
};

struct writer {
    uint8_t *out;
    size_t room, len;
    bool full;
    uint32_t bits;
    unsigned bit_count;
    int last[3]; /* quantised DC of the block before, per component */
    int step;
};

const struct control_size *testcard_sizes(size_t *count)
{
    *count = sizeof sizes / sizeof sizes[0];
    return sizes;
}

struct control_size testcard_first_size(void)
{
    return sizes[sizeof sizes / sizeof sizes[0] - 1];
}

/* ---- Writing ------------------------------------------------------------------------------ */

static void put_byte(struct writer *w, uint8_t byte)
{
    if (w->len < w->room) {
        w->out[w->len++] = byte;
    } else {
        w->full = true;
    }
}

static void put_bytes(struct writer *w, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put_byte(w, p[i]);
    }
}

static void put_bits(struct writer *w, uint32_t bits, unsigned n)
{
    w->bits = w->bits << n | bits;
    w->bit_count += n;
    while (w->bit_count >= 8) {
        w->bit_count -= 8;
        uint8_t byte = (uint8_t)(w->bits >> w->bit_count);
        put_byte(w, byte);
        if (byte == 0xFF) {
            put_byte(w, 0);
        }
    }
}

/* The DC code of the standard's table for luminance: its lengths are these, its codes follow from them. */
static void put_category(struct writer *w, unsigned category)
{
    static const struct {
        uint8_t code, bits;
    } codes[] = {{0, 2}, {2, 3}, {3, 3}, {4, 3}, {5, 3}, {6, 3}, {0xE, 4}, {0x1E, 5}, {0x3E, 6}, {0x7E, 7}, {0xFE, 8}};
    put_bits(w, codes[category].code, codes[category].bits);
}

/* A flat block: the difference of its DC to the one before, and an end of block, whose code is a single 0. */
static void put_block(struct writer *w, unsigned component, uint8_t level)
{
    int dc = (level - 128) * CELL / w->step;
    int diff = dc - w->last[component];
    w->last[component] = dc;
    unsigned category = 0;
    for (unsigned rest = (unsigned)(diff < 0 ? -diff : diff); rest != 0; rest >>= 1) {
        category++;
    }
    put_category(w, category);
    if (category > 0) {
        put_bits(w, (uint32_t)(diff < 0 ? diff + (1 << category) - 1 : diff), category);
    }
    put_bits(w, 0, 1);
}

static void put_headers(struct writer *w, struct control_size size)
{
    static const uint8_t start[] = {0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0};
    const uint8_t frame[] = {0xFF,
                             0xC0,
                             0,
                             17,
                             8,
                             (uint8_t)(size.height >> 8),
                             (uint8_t)size.height,
                             (uint8_t)(size.width >> 8),
                             (uint8_t)size.width,
                             3,
                             1,
                             0x22,
                             0,
                             2,
                             0x11,
                             0,
                             3,
                             0x11,
                             0};
    static const uint8_t tables[] = {/* DC: the standard's for luminance. AC: one symbol, end of block. */
                                     0xFF, 0xC4, 0, 31, 0x00, 0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2,
                                     3, 4, 5, 6, 7, 8, 9, 10, 11, 0xFF, 0xC4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                     0, 0, 0, 0, 0, 0, 0,
                                     /* SOS */
                                     0xFF, 0xDA, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0};
    put_bytes(w, start, sizeof start);
    for (int i = 0; i < 64; i++) {
        put_byte(w, (uint8_t)w->step);
    }
    put_bytes(w, frame, sizeof frame);
    put_bytes(w, tables, sizeof tables);
}

/* ---- Drawing ------------------------------------------------------------------------------ */

struct card {
    int cells_wide, mcus_wide, mcus_high;
    int box_x, box_y; /* in MCUs */
    uint32_t number;
};

/* There and back again: 0 .. room .. 0. */
static int bounce(uint32_t number, int room)
{
    if (room <= 0) {
        return 0;
    }
    int at = (int)(number % (uint32_t)(2 * room));
    return at < room ? at : 2 * room - at;
}

static bool in_box(const struct card *c, int mx, int my)
{
    return mx >= c->box_x && mx < c->box_x + BOX && my >= c->box_y && my < c->box_y + BOX;
}

/* The number stands at the top left, on two rows and a half of MCUs of black. */
static bool in_number(const struct card *c, int cx, int cy, bool *lit)
{
    int fit = (c->cells_wide - 1) / DIGIT_WIDTH;
    int shown = fit < DIGITS ? fit : DIGITS;
    if (cy > DIGIT_HEIGHT || cx > shown * DIGIT_WIDTH) {
        return false;
    }
    *lit = false;
    int place = (cx - 1) / DIGIT_WIDTH, column = (cx - 1) % DIGIT_WIDTH;
    if (cy == 0 || cx == 0 || column == DIGIT_WIDTH - 1) {
        return true;
    }
    uint32_t n = c->number;
    for (int i = shown - 1; i > place; i--) {
        n /= 10;
    }
    *lit = (digits[n % 10][cy - 1] >> (DIGIT_WIDTH - 2 - column) & 1) != 0;
    return true;
}

static struct colour background(const struct card *c, int mx, int my)
{
    static const struct colour white = {235, 128, 128};
    if (in_box(c, mx, my)) {
        return white;
    }
    return bars[mx * BARS / c->mcus_wide];
}

static void put_mcu(struct writer *w, const struct card *c, int mx, int my)
{
    struct colour under = background(c, mx, my);
    bool coloured = true;
    for (int i = 0; i < CELLS * CELLS; i++) {
        bool lit;
        uint8_t y = under.y;
        if (in_number(c, mx * CELLS + i % CELLS, my * CELLS + i / CELLS, &lit)) {
            y = lit ? 235 : 16;
            coloured = false;
        }
        put_block(w, 0, y);
    }
    put_block(w, 1, coloured ? under.cb : 128);
    put_block(w, 2, coloured ? under.cr : 128);
}

size_t testcard_draw(uint8_t *out, size_t room, struct control_size size, uint8_t quality, uint32_t number)
{
    /* A coarser step makes the colours coarser and the file smaller, as quality does elsewhere. */
    struct writer w = {.out = out, .room = room, .step = 4 + quality};
    struct card c = {
        .cells_wide = size.width / CELL,
        .mcus_wide = (size.width + MCU - 1) / MCU,
        .mcus_high = (size.height + MCU - 1) / MCU,
        .number = number,
    };
    c.box_x = bounce(number, c.mcus_wide - BOX);
    c.box_y = bounce(number, c.mcus_high - BOX);
    put_headers(&w, size);
    for (int my = 0; my < c.mcus_high; my++) {
        for (int mx = 0; mx < c.mcus_wide; mx++) {
            put_mcu(&w, &c, mx, my);
        }
    }
    put_bits(&w, 0x7F, 7);
    static const uint8_t end[] = {0xFF, 0xD9};
    put_bytes(&w, end, sizeof end);
    return w.full ? 0 : w.len;
}
