#include "sensor.h"

#include "board_prepare.h"
#include "ticks.h"

#include "driver/gpio.h"
#include "esp_heap_caps.h"
#include "esp_log.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "sdkconfig.h"

#include <string.h>

#define TAG "sensor"

enum sensor_time { POWER_OFF_MS = 100, POWER_ON_MS = 20, WAKE_MS = 10 };
enum sensor_size { SOFT_JPEG_MAX = 128 * 1024, SOFT_JPEG_DRAM_MAX = 16 * 1024, DRAM_MAX_AREA = 400 * 296, RAW_DRAM_MAX_AREA = 160 * 120 };

/* Sensors that can be put to sleep through a register where no pin does it. */
static const struct {
    uint16_t pid;
    uint16_t reg; /* as the driver's set_reg counts: OV2640's second bank starts at 100 hex */
    uint8_t mask;
} standby[] = {
    {OV2640_PID, 0x109, 0x10},
    {OV3660_PID, 0x3008, 0x40},
    {OV5640_PID, 0x3008, 0x40},
};

/* Raw formats that can be compressed here, best first; each sensor has at least one of them. */
static const pixformat_t raw_formats[] = {PIXFORMAT_YUV422, PIXFORMAT_RGB565, PIXFORMAT_GRAYSCALE};

static bool has_psram(void)
{
    return heap_caps_get_total_size(MALLOC_CAP_SPIRAM) > 0;
}

static uint32_t area(uint32_t width, uint32_t height)
{
    return width * height;
}

/* The bytes the driver reserves for a picture: a fifth of a byte per pixel of JPEG, two of raw. */
static uint32_t buffer_bytes(framesize_t size, bool raw)
{
    uint32_t pixels = area(resolution[size].width, resolution[size].height);
    return raw ? pixels * 2 : pixels / 5;
}

static bool is_wanted(framesize_t size)
{
    int w = resolution[size].width, h = resolution[size].height;
    return (CONFIG_CAMGW_MAX_FRAME_WIDTH == 0 || w <= CONFIG_CAMGW_MAX_FRAME_WIDTH) &&
           (CONFIG_CAMGW_MAX_FRAME_HEIGHT == 0 || h <= CONFIG_CAMGW_MAX_FRAME_HEIGHT);
}

static bool has_memory(framesize_t size, bool raw)
{
    if (!has_psram()) {
        uint32_t pixels = area(resolution[size].width, resolution[size].height);
        return pixels <= (raw ? RAW_DRAM_MAX_AREA : DRAM_MAX_AREA);
    }
    /* The three buffers leave a quarter of the PSRAM free. */
    return buffer_bytes(size, raw) <= heap_caps_get_free_size(MALLOC_CAP_SPIRAM) / 4u;
}

static framesize_t largest_allowed(framesize_t most, bool raw)
{
    framesize_t best = FRAMESIZE_96X96;
    for (int i = 0; i <= (int)most; i++) {
        framesize_t size = (framesize_t)i;
        if (is_wanted(size) && has_memory(size, raw) && buffer_bytes(size, raw) > buffer_bytes(best, raw)) {
            best = size;
        }
    }
    return best;
}

static void configure(struct sensor *s)
{
    const struct board *b = s->board;
    bool psram = has_psram();
    s->config = (camera_config_t){
        .pin_pwdn = b->pwdn,
        .pin_reset = b->reset,
        .pin_xclk = b->xclk,
        .pin_sccb_sda = b->sda,
        .pin_sccb_scl = b->scl,
        .pin_d7 = b->d[7],
        .pin_d6 = b->d[6],
        .pin_d5 = b->d[5],
        .pin_d4 = b->d[4],
        .pin_d3 = b->d[3],
        .pin_d2 = b->d[2],
        .pin_d1 = b->d[1],
        .pin_d0 = b->d[0],
        .pin_vsync = b->vsync,
        .pin_href = b->href,
        .pin_pclk = b->pclk,
        .xclk_freq_hz = CONFIG_CAMGW_XCLK_HZ,
        .ledc_timer = LEDC_TIMER_0,
        .ledc_channel = LEDC_CHANNEL_0,
        .pixel_format = PIXFORMAT_JPEG,
        .jpeg_quality = 12,
        /* One picture on the line, one in the mailbox, one being captured. */
        .fb_count = psram ? 3 : 1,
        .fb_location = psram ? CAMERA_FB_IN_PSRAM : CAMERA_FB_IN_DRAM,
        /* The capture task takes each picture at once, so neither mode lets them age while it runs; LATEST keeps the
         * queue new while it is busy with a setting or a write to flash. With one buffer there is nothing to choose
         * from. */
        .grab_mode = psram ? CAMERA_GRAB_LATEST : CAMERA_GRAB_WHEN_EMPTY,
    };
}

static esp_err_t start(struct sensor *s)
{
    esp_err_t err = esp_camera_init(&s->config);
    s->open = err == ESP_OK;
    s->resting = false;
    return err;
}

static void stop(struct sensor *s)
{
    if (s->open) {
        esp_camera_deinit();
        s->open = false;
    }
}

static void drive(int pin, int level)
{
    if (pin >= 0) {
        gpio_set_direction((gpio_num_t)pin, GPIO_MODE_OUTPUT);
        gpio_set_level((gpio_num_t)pin, (uint32_t)level);
    }
}

/* Without a power pin the reset pin serves; without both, the clock that stops with the driver is all there is. */
static void cycle_power_pin(const struct sensor *s)
{
    board_prepare(s->board);
    drive(s->board->pwdn, 1);
    drive(s->board->reset, 0);
    vTaskDelay(ticks_of_ms(POWER_OFF_MS));
    drive(s->board->reset, 1);
    drive(s->board->pwdn, 0);
    vTaskDelay(ticks_of_ms(POWER_ON_MS));
}

/* The driver says NOT_SUPPORTED both for a sensor without JPEG and for no sensor; the second try tells them apart. */
static bool start_raw(struct sensor *s)
{
    s->soft_jpeg = true;
    s->config.frame_size = largest_allowed(FRAMESIZE_VGA, true);
    for (size_t i = 0; i < sizeof raw_formats / sizeof raw_formats[0]; i++) {
        s->config.pixel_format = raw_formats[i];
        if (start(s) != ESP_OK) {
            return false;
        }
        /* Init ignores that a sensor lacks the format: ask it. */
        sensor_t *h = esp_camera_sensor_get();
        if (h != NULL && h->set_pixformat(h, raw_formats[i]) == 0) {
            return true;
        }
        stop(s);
    }
    return false;
}

static bool start_any(struct sensor *s)
{
    configure(s);
    s->soft_jpeg = false;
    /* Once, at the largest size there will ever be: the buffers are made for it and a later growth would write
     * behind them. The driver lowers it to what the sensor has. */
    s->config.frame_size = largest_allowed((framesize_t)(FRAMESIZE_INVALID - 1), false);
    esp_err_t err = start(s);
    return err == ESP_OK || (err == ESP_ERR_NOT_SUPPORTED && start_raw(s));
}

static void collect_sizes(struct sensor *s, const camera_sensor_info_t *info)
{
    framesize_t most = info != NULL ? info->max_size : s->config.frame_size;
    if (s->config.frame_size > most) {
        s->config.frame_size = most;
    }
    uint32_t room = buffer_bytes(s->config.frame_size, s->soft_jpeg);
    s->max_frame = !s->soft_jpeg ? room : has_psram() ? SOFT_JPEG_MAX : SOFT_JPEG_DRAM_MAX;
    s->size_count = 0;
    for (int i = 0; i <= (int)most && s->size_count < SENSOR_SIZES; i++) {
        if (buffer_bytes((framesize_t)i, s->soft_jpeg) <= room && is_wanted((framesize_t)i)) {
            s->sizes[s->size_count++] = (struct control_size){resolution[i].width, resolution[i].height};
        }
    }
}

bool sensor_open(struct sensor *s, const struct board *board)
{
    memset(s, 0, sizeof *s);
    s->board = board;
    if (board_prepare(board) != ESP_OK) {
        ESP_LOGW(TAG, "the board's supplies could not be set up");
    }
    if (!start_any(s)) {
        cycle_power_pin(s);
        if (!start_any(s)) {
            return false;
        }
    }
    sensor_t *h = esp_camera_sensor_get();
    const camera_sensor_info_t *info = esp_camera_sensor_get_info(&h->id);
    s->pid = h->id.PID;
    s->name = info != NULL ? info->name : "unknown";
    collect_sizes(s, info);
    ESP_LOGI(TAG, "%s, up to %u x %u, %u buffers", s->name, resolution[s->config.frame_size].width,
             resolution[s->config.frame_size].height, (unsigned)s->config.fb_count);
    return true;
}

bool sensor_reopen(struct sensor *s, bool cycle_power)
{
    stop(s);
    if (cycle_power) {
        cycle_power_pin(s);
    }
    return start(s) == ESP_OK;
}

sensor_t *sensor_handle(const struct sensor *s)
{
    return s->open ? esp_camera_sensor_get() : NULL;
}

static framesize_t index_of(struct control_size size)
{
    int i = 0;
    while (i < FRAMESIZE_INVALID && (resolution[i].width != size.width || resolution[i].height != size.height)) {
        i++;
    }
    return (framesize_t)i;
}

bool sensor_set_size(struct sensor *s, struct control_size size)
{
    framesize_t wanted = index_of(size);
    sensor_t *h = sensor_handle(s);
    if (h == NULL || wanted == FRAMESIZE_INVALID) {
        return false;
    }
    if (h->status.framesize == wanted) {
        return true;
    }
    if (!s->soft_jpeg) {
        return h->set_framesize(h, wanted) == 0;
    }
    /* The driver counts the bytes of a raw picture when it starts. */
    framesize_t before = s->config.frame_size;
    s->config.frame_size = wanted;
    if (sensor_reopen(s, false)) {
        return true;
    }
    s->config.frame_size = before;
    sensor_reopen(s, false);
    return false;
}

static void set_standby(const struct sensor *s, bool on)
{
    sensor_t *h = sensor_handle(s);
    for (size_t i = 0; h != NULL && i < sizeof standby / sizeof standby[0]; i++) {
        if (standby[i].pid == s->pid) {
            h->set_reg(h, standby[i].reg, standby[i].mask, on ? standby[i].mask : 0);
        }
    }
}

/* Registers survive both kinds of rest. A sensor that has neither runs on; its pictures are left to the driver. */
void sensor_rest(struct sensor *s)
{
    if (!s->open || s->resting) {
        return;
    }
    s->resting = true;
    if (s->board->pwdn >= 0) {
        drive(s->board->pwdn, 1);
    } else {
        set_standby(s, true);
    }
}

void sensor_wake(struct sensor *s)
{
    if (!s->open || !s->resting) {
        return;
    }
    s->resting = false;
    if (s->board->pwdn >= 0) {
        drive(s->board->pwdn, 0);
    } else {
        set_standby(s, false);
    }
    vTaskDelay(ticks_of_ms(WAKE_MS));
}

unsigned sensor_buffers(const struct sensor *s)
{
    return (unsigned)s->config.fb_count;
}
