/* esp32-camera with one sensor. Buffers come from malloc and go with deinit, so that a late reader is caught. */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

enum { BUFFERS = 3, WAIT_US = 4000000 };

static struct {
    camera_fb_t fb;
    bool out;
} buffers[BUFFERS];

/* As in sensor.c of esp32-camera 2.1.5. */
const resolution_info_t resolution[FRAMESIZE_INVALID] = {
    {96, 96},     {160, 120},   {128, 128},   {176, 144},   {240, 176},  {240, 240},   {320, 240},
    {320, 320},   {400, 296},   {480, 320},   {640, 480},   {800, 600},  {1024, 768},  {1280, 720},
    {1280, 1024}, {1600, 1200}, {1920, 1080}, {720, 1280},  {864, 1536}, {2048, 1536}, {2560, 1440},
    {2560, 1600}, {1088, 1920}, {2560, 1920}, {2592, 1944},
};

static camera_sensor_info_t infos[] = {
    {"OV2640", OV2640_PID, FRAMESIZE_UXGA, true},
    {"OV3660", OV3660_PID, FRAMESIZE_QXGA, true},
    {"OV5640", OV5640_PID, FRAMESIZE_QSXGA, true},
    {"GC0308", GC0308_PID, FRAMESIZE_VGA, false},
};

camera_sensor_info_t *esp_camera_sensor_get_info(sensor_id_t *id)
{
    for (size_t i = 0; i < sizeof infos / sizeof infos[0]; i++) {
        if (infos[i].pid == id->PID) {
            return &infos[i];
        }
    }
    return NULL;
}

#define SETTER(field)                                                                                                  \
    static int set_##field(sensor_t *s, int v)                                                                         \
    {                                                                                                                  \
        fake.cam.sets++;                                                                                               \
        if (fake.cam.refuse) {                                                                                         \
            return -1;                                                                                                 \
        }                                                                                                              \
        s->status.field = (__typeof__(s->status.field))v;                                                              \
        return 0;                                                                                                      \
    }
#define EACH(DO)                                                                                                       \
    DO(contrast)                                                                                                       \
    DO(brightness)                                                                                                     \
    DO(saturation)                                                                                                     \
    DO(sharpness)                                                                                                      \
    DO(denoise)                                                                                                        \
    DO(quality)                                                                                                        \
    DO(colorbar)                                                                                                       \
    DO(hmirror)                                                                                                        \
    DO(vflip)                                                                                                          \
    DO(aec2)                                                                                                           \
    DO(agc_gain)                                                                                                       \
    DO(aec_value)                                                                                                      \
    DO(special_effect)                                                                                                 \
    DO(wb_mode)                                                                                                        \
    DO(ae_level)                                                                                                       \
    DO(dcw)                                                                                                            \
    DO(bpc)                                                                                                            \
    DO(wpc)                                                                                                            \
    DO(raw_gma)                                                                                                        \
    DO(lenc)
EACH(SETTER)
SETTER(awb)
SETTER(agc)
SETTER(aec)

static int set_gainceiling(sensor_t *s, gainceiling_t v)
{
    s->status.gainceiling = (uint8_t)v;
    return 0;
}

static int set_dummy(sensor_t *s, int v)
{
    (void)s;
    (void)v;
    return -1;
}

static int set_gainceiling_dummy(sensor_t *s, gainceiling_t v)
{
    (void)s;
    (void)v;
    return -1;
}

static int set_pixformat(sensor_t *s, pixformat_t format)
{
    (void)s;
    return format == fake.cam.only_format ? 0 : -1;
}

static int set_framesize(sensor_t *s, framesize_t size)
{
    if (fake.cam.refuse) {
        return -1;
    }
    fake.cam.size_changes++;
    s->status.framesize = size;
    return 0;
}

static int set_reg(sensor_t *s, int reg, int mask, int value)
{
    (void)s;
    (void)reg;
    fake.cam.standby_writes++;
    fake.cam.standby = (value & mask) != 0;
    return 0;
}

static void make_sensor(uint16_t pid)
{
    sensor_t *s = &fake.cam.sensor;
    memset(s, 0, sizeof *s);
    s->id.PID = pid;
    s->status.quality = 12;
    s->status.awb = 1;
    s->set_pixformat = set_pixformat;
    s->set_framesize = set_framesize;
    s->set_reg = set_reg;
    s->set_hmirror = set_hmirror;
    s->set_vflip = set_vflip;
    if (pid == GC0308_PID) {
#define DUMMY(field) s->set_##field = s->set_##field == NULL ? set_dummy : s->set_##field;
        EACH(DUMMY)
        s->set_contrast = set_contrast;
        s->set_whitebal = set_awb;
        s->set_gain_ctrl = set_dummy;
        s->set_exposure_ctrl = set_dummy;
        s->set_gainceiling = set_gainceiling_dummy;
        return;
    }
#define REAL(field) s->set_##field = set_##field;
    EACH(REAL)
    s->set_whitebal = set_awb;
    s->set_gain_ctrl = set_agc;
    s->set_exposure_ctrl = set_aec;
    s->set_gainceiling = set_gainceiling;
}

esp_err_t esp_camera_init(const camera_config_t *config)
{
    fake.cam.inits++;
    if (fake.cam.open) {
        return ESP_FAIL; /* as the driver: close it first */
    }
    fake.cam.config = *config;
    if (fake.cam.heals_after_inits > 0 && --fake.cam.heals_after_inits == 0) {
        fake.cam.wedged = false;
    }
    if (fake.cam.fail_inits > 0) {
        fake.cam.fail_inits--;
        return ESP_FAIL;
    }
    if (fake.cam.pid == 0) {
        return ESP_ERR_NOT_SUPPORTED;
    }
    sensor_id_t id = {fake.cam.pid};
    const camera_sensor_info_t *info = esp_camera_sensor_get_info(&id);
    if (config->pixel_format == PIXFORMAT_JPEG && !info->support_jpeg) {
        return ESP_ERR_NOT_SUPPORTED;
    }
    framesize_t size = config->frame_size < info->max_size ? config->frame_size : info->max_size;
    size_t pixels = (size_t)resolution[size].width * resolution[size].height;
    size_t bytes = config->pixel_format == PIXFORMAT_JPEG ? pixels / 5 : pixels * 2;
    if (bytes * config->fb_count > (config->fb_location == CAMERA_FB_IN_PSRAM ? fake.psram : 150000)) {
        return ESP_ERR_NO_MEM;
    }
    make_sensor(fake.cam.pid);
    fake.cam.sensor.status.framesize = size;
    for (size_t i = 0; i < config->fb_count; i++) {
        buffers[i].fb.buf = malloc(bytes);
        buffers[i].fb.len = bytes;
        buffers[i].fb.format = config->pixel_format;
        buffers[i].out = false;
    }
    fake.cam.open = true;
    return ESP_OK;
}

unsigned fake_buffers_out(void)
{
    unsigned n = 0;
    for (int i = 0; i < BUFFERS; i++) {
        n += buffers[i].out ? 1 : 0;
    }
    return n;
}

static void drop_buffers(void)
{
    for (int i = 0; i < BUFFERS; i++) {
        free(buffers[i].fb.buf);
        memset(&buffers[i], 0, sizeof buffers[i]);
    }
}

esp_err_t esp_camera_deinit(void)
{
    fake.cam.deinits++;
    fake.cam.freed_in_use += fake_buffers_out();
    drop_buffers();
    fake.cam.open = false;
    return ESP_OK;
}

void fake_finish(void)
{
    drop_buffers();
}

sensor_t *esp_camera_sensor_get(void)
{
    return fake.cam.open ? &fake.cam.sensor : NULL;
}

void fake_pictures(const enum fake_picture *list, size_t n)
{
    memcpy(fake.cam.next, list, n * sizeof list[0]);
    fake.cam.next_at = 0;
    fake.cam.next_count = n;
}

/* A picture as small as one can be: its frame header and a few bytes of scan. */
static size_t make_jpeg(uint8_t *p, enum fake_picture kind)
{
    const resolution_info_t *r = &resolution[fake.cam.sensor.status.framesize];
    const uint8_t head[] = {0xFF,
                            0xD8,
                            0xFF,
                            0xDB,
                            0,
                            4,
                            1,
                            2,
                            0xFF,
                            0xC0,
                            0,
                            11,
                            8,
                            (uint8_t)(r->height >> 8),
                            (uint8_t)r->height,
                            (uint8_t)(r->width >> 8),
                            (uint8_t)r->width,
                            1,
                            1,
                            0x11,
                            0,
                            0xFF,
                            0xDA,
                            0,
                            8,
                            1,
                            1,
                            0,
                            0,
                            63,
                            0};
    static const uint8_t scan[] = {1, 2, 3, 0xFF, 0, 4, 0xFF, 0xD0, 5, 6, 7, 8};
    size_t n = 0;
    if (kind == PICTURE_SHIFTED) {
        memcpy(p, "\x00\xFF\x11", 3);
        n = 3;
    }
    memcpy(p + n, head, sizeof head);
    n += sizeof head;
    memcpy(p + n, scan, sizeof scan);
    n += sizeof scan;
    if (kind == PICTURE_CUT) {
        return n;
    }
    memcpy(p + n, kind == PICTURE_TORN ? "\xFF\xD8\x09\xFF\xD9" : "\xFF\xD9", kind == PICTURE_TORN ? 5 : 2);
    n += kind == PICTURE_TORN ? 5 : 2;
    if (kind == PICTURE_PADDED) {
        memcpy(p + n, "\0\0\0\x55\xFF\xD9", 6);
        n += 6;
    }
    return n;
}

camera_fb_t *esp_camera_fb_get(void)
{
    fake.cam.gets++;
    enum fake_picture kind = fake.cam.next_at < fake.cam.next_count ? fake.cam.next[fake.cam.next_at++] : PICTURE_GOOD;
    int free_buffer = -1;
    for (int i = 0; i < (int)fake.cam.config.fb_count && free_buffer < 0; i++) {
        free_buffer = buffers[i].out ? -1 : i;
    }
    bool asleep = fake.cam.standby || (fake_board.pwdn >= 0 && fake.pin[fake_board.pwdn] == 1);
    if (!fake.cam.open || fake.cam.wedged || asleep || free_buffer < 0 || kind == PICTURE_NONE) {
        fake.now_us += WAIT_US;
        return NULL;
    }
    camera_fb_t *fb = &buffers[free_buffer].fb;
    buffers[free_buffer].out = true;
    int64_t begun = fake.now_us;
    if (fake.cam.stale > 0) {
        fake.cam.stale--;
        begun -= 60000000;
        begun = begun > 0 ? begun : 0;
    } else {
        fake.now_us += fake.cam.interval_us;
    }
    fb->timestamp.tv_sec = begun / 1000000;
    fb->timestamp.tv_usec = begun % 1000000;
    fb->width = resolution[fake.cam.sensor.status.framesize].width;
    fb->height = resolution[fake.cam.sensor.status.framesize].height;
    if (fb->format == PIXFORMAT_JPEG) {
        fb->len = make_jpeg(fb->buf, kind);
    }
    return fb;
}

void esp_camera_fb_return(camera_fb_t *fb)
{
    for (int i = 0; i < BUFFERS; i++) {
        if (&buffers[i].fb == fb) {
            buffers[i].out = false;
        }
    }
}

/* In pieces, as the real one, and an end without bytes. */
bool frame2jpg_cb(camera_fb_t *fb, uint8_t quality, jpg_out_cb cb, void *arg)
{
    (void)fb;
    if (fake.cam.frame2jpg_fails) {
        return false;
    }
    fake.cam.frame2jpg_quality = quality;
    uint8_t picture[64];
    size_t n = make_jpeg(picture, PICTURE_GOOD), at = 0;
    while (at < n) {
        size_t piece = n - at < 10 ? n - at : 10;
        at += cb(arg, at, picture + at, piece);
    }
    for (size_t i = 0; i < fake.cam.frame2jpg_extra; i++) {
        at += cb(arg, at, "x", 1);
    }
    cb(arg, at, NULL, 0);
    return true;
}
