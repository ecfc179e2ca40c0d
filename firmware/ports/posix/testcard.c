#include "testcard.h"

#include "clock.h"
#include "font.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jpeglib.h>

#define MAX_WIDTH 1600
#define TEXT_LINES 2

/* The grey of the wall. */
#define WALL 128

enum effect { EFFECT_NONE, EFFECT_NEGATIVE, EFFECT_GREY, EFFECT_RED, EFFECT_GREEN, EFFECT_BLUE, EFFECT_SEPIA };

/* What one picture looks like. */
struct scene {
    enum scene_kind kind; /* never SCENE_CUT */
    int width, height;
    int scale; /* of the text */
    char text[TEXT_LINES][48];
    int ball_x, ball_y, ball_r;
    bool bars_only;
    bool mirror, flip;
    int saturation; /* 0 to 512, 256 as it is */
    int effect;
    uint8_t tone[256]; /* brightness, contrast, negative */
};

static uint8_t clamp(int v)
{
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* ---- Composition -------------------------------------------------------------------------- */

void testcard_init(struct testcard *t, const struct settings *s, const struct options *o)
{
    t->settings = s;
    t->scene = o->scene;
    t->started_ns = clock_ns();
    t->scene_ns = (uint64_t)(o->scene_every * 1e9);
    t->number = 0;
    rng_seed(&t->rng, o->seed, 4);
    for (size_t i = 0; i < sizeof t->grain; i++) {
        /* Two draws: more often faint than strong. */
        t->grain[i] = (int8_t)((int)rng_below(&t->rng, 7) + (int)rng_below(&t->rng, 7) - 6);
    }
}

static void make_tone(uint8_t tone[256], const struct settings *s)
{
    int contrast = 256 + 64 * settings_get(s, SET_CONTRAST);
    int lift =
        24 * settings_get(s, SET_BRIGHTNESS) + 16 * settings_get(s, SET_AE_LEVEL) + settings_get(s, SET_LAMP) / 8;
    for (int i = 0; i < 256; i++) {
        uint8_t v = clamp((i - 128) * contrast / 256 + 128 + lift);
        tone[i] = settings_get(s, SET_EFFECT) == EFFECT_NEGATIVE ? (uint8_t)(255 - v) : v;
    }
}

static void make_text(struct scene *c, uint32_t number, int quality)
{
    struct timespec now;
    struct tm day;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &day);
    snprintf(c->text[0], sizeof c->text[0], "#%06u %02d:%02d:%02d.%03d", number % 1000000u, day.tm_hour, day.tm_min,
             day.tm_sec, (int)(now.tv_nsec / 1000000));
    snprintf(c->text[1], sizeof c->text[1], "%dX%d Q%d", c->width, c->height, quality);
    /* Glyphs have hard edges, which a wall has not. */
    int wide = c->width / (FONT_WIDTH * (c->kind == SCENE_CARD ? 26 : 104));
    c->scale = wide > 0 ? wide : 1;
}

static enum scene_kind scene_now(const struct testcard *t)
{
    if (t->scene != SCENE_CUT) {
        return t->scene;
    }
    return (clock_ns() - t->started_ns) / t->scene_ns % 2 == 0 ? SCENE_CALM : SCENE_BUSY;
}

static void compose(struct scene *c, const struct testcard *t, int quality)
{
    const struct settings *s = t->settings;
    uint32_t size = (uint32_t)settings_get(s, SET_SIZE);
    *c = (struct scene){
        .kind = scene_now(t),
        .width = (int)(size >> 16),
        .height = (int)(size & 0xFFFF),
        .bars_only = settings_get(s, SET_COLORBAR) != 0,
        .mirror = settings_get(s, SET_HMIRROR) != 0,
        .flip = settings_get(s, SET_VFLIP) != 0,
        .saturation = 256 + 96 * settings_get(s, SET_SATURATION),
        .effect = settings_get(s, SET_EFFECT),
    };
    double turn = t->number * 0.05;
    c->ball_r = c->kind == SCENE_CARD ? c->height / 8 : c->height / 16;
    c->ball_x = (int)((0.5 + 0.4 * sin(turn)) * c->width);
    c->ball_y = (int)((0.55 + 0.3 * cos(turn * 0.7)) * c->height);
    make_tone(c->tone, s);
    make_text(c, t->number, quality);
}

/* ---- Drawing, a row at a time ------------------------------------------------------------- */

static uint8_t *pixel(uint8_t *row, int x)
{
    return row + (ptrdiff_t)3 * x;
}

static void put(uint8_t *px, int r, int g, int b)
{
    px[0] = clamp(r);
    px[1] = clamp(g);
    px[2] = clamp(b);
}

static void draw_ground(const struct testcard *t, const struct scene *c, int y, uint8_t *row, uint32_t grain)
{
    static const uint8_t bars[8][3] = {{192, 192, 192}, {192, 192, 16}, {16, 192, 192}, {16, 192, 16},
                                       {192, 16, 192},  {192, 16, 16},  {16, 16, 192},  {24, 24, 24}};
    bool ramp = !c->bars_only && y * 4 >= c->height * 3;
    for (int x = 0; x < c->width; x++) {
        const uint8_t *bar = bars[x * 8 / c->width];
        int n = c->bars_only ? 0 : t->grain[(grain + (uint32_t)x) % TESTCARD_GRAIN];
        int level = x * 255 / c->width + n;
        if (ramp) {
            put(pixel(row, x), level, level, level);
        } else {
            put(pixel(row, x), bar[0] + n, bar[1] + n, bar[2] + n);
        }
    }
}

static void draw_wall(const struct testcard *t, const struct scene *c, uint8_t *row, uint32_t grain)
{
    for (int x = 0; x < c->width; x++) {
        int leaf = c->kind == SCENE_BUSY ? t->grain[(grain + (uint32_t)x) % TESTCARD_GRAIN] : 0;
        put(pixel(row, x), WALL + leaf, WALL + leaf, WALL + leaf);
    }
}

static void draw_ball(const struct scene *c, int y, uint8_t *row)
{
    int dy = y - c->ball_y;
    int half = c->ball_r * c->ball_r - dy * dy;
    if (c->bars_only || half < 0) {
        return;
    }
    half = (int)sqrt((double)half);
    for (int x = c->ball_x - half; x <= c->ball_x + half; x++) {
        if (x >= 0 && x < c->width) {
            int light = 255 - 120 * (x - c->ball_x + dy + 2 * c->ball_r) / (4 * c->ball_r);
            put(pixel(row, x), light, light * 3 / 4, light / 4);
        }
    }
}

static void draw_text(const struct scene *c, int y, uint8_t *row)
{
    int margin = 2 * c->scale, pitch = (FONT_HEIGHT + 3) * c->scale;
    int line = (y - margin) / pitch;
    if (c->bars_only || y < margin || line >= TEXT_LINES) {
        return;
    }
    int glyph_y = (y - margin - line * pitch) / c->scale - 1;
    const char *text = c->text[line];
    int end = margin + (int)strlen(text) * FONT_WIDTH * c->scale;
    for (int x = margin; x < end && x < c->width; x++) {
        int column = (x - margin) / c->scale;
        bool ink = font_ink(text[column / FONT_WIDTH], column % FONT_WIDTH, glyph_y);
        put(pixel(row, x), ink ? 255 : 0, ink ? 255 : 0, ink ? 255 : 0);
    }
}

static void colour(const struct scene *c, uint8_t *px)
{
    int r = c->tone[px[0]], g = c->tone[px[1]], b = c->tone[px[2]];
    int grey = (77 * r + 150 * g + 29 * b) >> 8;
    r = grey + (r - grey) * c->saturation / 256;
    g = grey + (g - grey) * c->saturation / 256;
    b = grey + (b - grey) * c->saturation / 256;
    switch ((enum effect)c->effect) {
    case EFFECT_GREY:
        put(px, grey, grey, grey);
        break;
    case EFFECT_RED:
        put(px, grey, grey / 3, grey / 3);
        break;
    case EFFECT_GREEN:
        put(px, grey / 3, grey, grey / 3);
        break;
    case EFFECT_BLUE:
        put(px, grey / 3, grey / 3, grey);
        break;
    case EFFECT_SEPIA:
        put(px, grey + 30, grey, grey - 40);
        break;
    case EFFECT_NONE:
    case EFFECT_NEGATIVE:
        put(px, r, g, b);
        break;
    }
}

static void mirror(uint8_t *row, int width)
{
    for (int a = 0, b = width - 1; a < b; a++, b--) {
        uint8_t px[3];
        memcpy(px, pixel(row, a), 3);
        memcpy(pixel(row, a), pixel(row, b), 3);
        memcpy(pixel(row, b), px, 3);
    }
}

static void draw_row(struct testcard *t, const struct scene *c, int y, uint8_t *row)
{
    uint32_t grain = (uint32_t)rng_next(&t->rng);
    if (c->kind == SCENE_CARD || c->bars_only) {
        draw_ground(t, c, y, row, grain);
    } else {
        draw_wall(t, c, row, grain);
    }
    draw_ball(c, y, row);
    draw_text(c, y, row);
    for (int x = 0; x < c->width; x++) {
        colour(c, pixel(row, x));
    }
    if (c->mirror) {
        mirror(row, c->width);
    }
}

/* ---- Encoding ----------------------------------------------------------------------------- */

/* libjpeg leaves by longjmp; nothing that changes after setjmp lives outside of this. */
struct encoder {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr out;
    jmp_buf failed;
    uint8_t row[3 * MAX_WIDTH];
};

static void fail(j_common_ptr jpeg)
{
    struct encoder *e = jpeg->client_data;
    longjmp(e->failed, 1);
}

static void begin_output(j_compress_ptr jpeg)
{
    (void)jpeg;
}

/* The buffer is full. */
static boolean end_buffer(j_compress_ptr jpeg)
{
    fail((j_common_ptr)jpeg);
    return FALSE;
}

/* Espressif's 0-63 on libjpeg's scale: what a sensor makes of 12 is about what libjpeg makes of 80. */
static int libjpeg_quality(int quality)
{
    return 97 - quality * 7 / 5;
}

static void encode(struct encoder *e, struct testcard *t, const struct scene *c, int quality)
{
    jpeg_create_compress(&e->jpeg);
    e->jpeg.dest = &e->out;
    e->jpeg.image_width = (JDIMENSION)c->width;
    e->jpeg.image_height = (JDIMENSION)c->height;
    e->jpeg.input_components = 3;
    e->jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&e->jpeg);
    jpeg_set_quality(&e->jpeg, libjpeg_quality(quality), TRUE);
    e->jpeg.dct_method = JDCT_IFAST;
    /* The standard tables spend 6 kB on a blank VGA picture: no room for a scene of four times that. */
    e->jpeg.optimize_coding = c->kind != SCENE_CARD;
    /* 4:2:2, as sensors have it. */
    e->jpeg.comp_info[0].h_samp_factor = 2;
    e->jpeg.comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(&e->jpeg, TRUE);
    while (e->jpeg.next_scanline < e->jpeg.image_height) {
        int y = (int)e->jpeg.next_scanline;
        JSAMPROW rows[1] = {e->row};
        draw_row(t, c, c->flip ? c->height - 1 - y : y, e->row);
        jpeg_write_scanlines(&e->jpeg, rows, 1);
    }
    jpeg_finish_compress(&e->jpeg);
}

bool testcard_shoot(struct testcard *t, struct shot *shot)
{
    struct scene scene;
    struct encoder e = {0};
    t->number++;
    compose(&scene, t, shot->quality);
    e.jpeg.err = jpeg_std_error(&e.errors);
    e.errors.error_exit = fail;
    e.jpeg.client_data = &e;
    e.out = (struct jpeg_destination_mgr){
        .next_output_byte = shot->data,
        .free_in_buffer = SHOT_MAX,
        .init_destination = begin_output,
        .empty_output_buffer = end_buffer,
        .term_destination = begin_output,
    };
    if (setjmp(e.failed) != 0) {
        jpeg_destroy_compress(&e.jpeg);
        return false;
    }
    encode(&e, t, &scene, shot->quality);
    shot->len = SHOT_MAX - e.out.free_in_buffer;
    shot->width = (uint16_t)scene.width;
    shot->height = (uint16_t)scene.height;
    jpeg_destroy_compress(&e.jpeg);
    return true;
}
