/* Time, tasks, log, pins, memory and NVS. */
#include "fake.h"

#include "board_prepare.h"

#include <stdlib.h>
#include <string.h>

struct fake fake;

struct board fake_board;

static const struct board plain_board = {
    .name = "CHECK",
    .pwdn = 32,
    .reset = -1,
    .xclk = 0,
    .sda = 26,
    .scl = 27,
    .d = {5, 18, 19, 21, 36, 39, 34, 35},
    .vsync = 25,
    .href = 23,
    .pclk = 22,
    .lamp = 4,
    .uart_tx = 1,
    .uart_rx = 3,
};

void fake_reset(void)
{
    fake_finish();
    memset(&fake, 0, sizeof fake);
    fake_board = plain_board;
    fake.now_us = 1000000;
    fake.fed_us = fake.now_us;
    fake.psram = 4u << 20;
    fake.stack_left = 2000;
    fake.random = 0x12345678;
    fake.reset_reason = ESP_RST_POWERON;
    fake.usj.connected = true;
    fake.tusb.room = 4096;
    fake.cam.pid = OV2640_PID;
    fake.cam.interval_us = 40000;
    fake.cam.only_format = PIXFORMAT_JPEG;
    for (int i = 0; i < FAKE_PINS; i++) {
        fake.pin[i] = -1;
    }
}

esp_err_t board_prepare(const struct board *board)
{
    (void)board;
    fake.prepared++;
    return fake.prepare_result;
}

/* ---- time and tasks */

int64_t esp_timer_get_time(void)
{
    return fake.now_us;
}

void vTaskDelay(TickType_t ticks)
{
    fake.now_us += (int64_t)ticks * 1000;
}

void fake_sleep(TickType_t ticks)
{
    if (fake.nap_ms != 0 && ticks > fake.nap_ms) {
        ticks = fake.nap_ms;
    }
    fake.now_us += (int64_t)ticks * 1000;
    fake.sleeps += ticks > 0 ? 1 : 0;
}

uint32_t ulTaskNotifyTake(BaseType_t clear, TickType_t ticks)
{
    (void)clear;
    if (!fake.notified) {
        fake_sleep(ticks);
    }
    fake.notified = false;
    return 1;
}

void xTaskNotifyGive(TaskHandle_t task)
{
    (void)task;
    fake.notified = true;
}

TaskHandle_t xTaskGetCurrentTaskHandle(void)
{
    return (TaskHandle_t)&fake;
}

BaseType_t xTaskCreatePinnedToCore(void (*run)(void *), const char *name, uint32_t stack, void *arg,
                                   UBaseType_t priority, TaskHandle_t *task, BaseType_t core)
{
    (void)run;
    (void)arg;
    (void)priority;
    *task = (TaskHandle_t)(uintptr_t)name;
    fake.stack_of[core] = stack;
    return pdPASS;
}

UBaseType_t uxTaskGetStackHighWaterMark(TaskHandle_t task)
{
    (void)task;
    return fake.stack_left;
}

const char *pcTaskGetName(TaskHandle_t task)
{
    return (const char *)task;
}

void portENTER_CRITICAL_SAFE(portMUX_TYPE *lock)
{
    lock->depth++;
    fake.nesting++;
}

void portEXIT_CRITICAL_SAFE(portMUX_TYPE *lock)
{
    lock->depth--;
    fake.nesting--;
}

esp_err_t esp_task_wdt_add(TaskHandle_t task)
{
    (void)task;
    return ESP_OK;
}

esp_err_t esp_task_wdt_reset(void)
{
    int64_t unfed = fake.now_us - fake.fed_us;
    fake.longest_unfed_us = unfed > fake.longest_unfed_us ? unfed : fake.longest_unfed_us;
    fake.fed_us = fake.now_us;
    return ESP_OK;
}

void esp_restart(void)
{
    fake.restarts++;
}

esp_reset_reason_t esp_reset_reason(void)
{
    return fake.reset_reason;
}

uint32_t esp_random(void)
{
    return fake.random;
}

esp_err_t esp_efuse_mac_get_default(uint8_t *mac)
{
    memcpy(mac, "\x24\x6F\x28\x01\x02\x03", 6);
    return ESP_OK;
}

const esp_app_desc_t *esp_app_get_description(void)
{
    static const esp_app_desc_t description = {.version = "1.2.3"};
    return &description;
}

/* ---- log */

vprintf_like_t esp_log_set_vprintf(vprintf_like_t f)
{
    vprintf_like_t old = fake.vprintf_hook;
    fake.vprintf_hook = f;
    return old;
}

void esp_log_level_set(const char *tag, esp_log_level_t level)
{
    (void)tag;
    fake.log_level = level;
}

static void put_line(const char *format, va_list args)
{
    size_t room = FAKE_LOG - fake.log_len;
    int n = vsnprintf(fake.log + fake.log_len, room, format, args);
    fake.log_len += n > 0 && (size_t)n < room ? (size_t)n : 0;
}

static void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (fake.vprintf_hook != NULL) {
        fake.vprintf_hook(format, args);
    } else {
        put_line(format, args);
    }
    va_end(args);
}

void fake_log(char letter, const char *tag, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print("\033[0;31m%c (%u) %s: %s\033[0m\n", letter, (unsigned)(fake.now_us / 1000), tag, text);
}

bool fake_logged(const char *text)
{
    return strstr(fake.log, text) != NULL;
}

void esp_rom_install_channel_putc(int channel, void (*put)(char c))
{
    fake.putc_hook[channel] = put;
}

/* ---- memory */

void *heap_caps_malloc(size_t size, uint32_t caps)
{
    (void)caps;
    return malloc(size);
}

size_t heap_caps_get_total_size(uint32_t caps)
{
    return caps == MALLOC_CAP_SPIRAM ? fake.psram : 300000;
}

size_t heap_caps_get_free_size(uint32_t caps)
{
    return caps == MALLOC_CAP_SPIRAM ? fake.psram : 150000;
}

size_t heap_caps_get_minimum_free_size(uint32_t caps)
{
    (void)caps;
    return 120000;
}

esp_err_t temperature_sensor_install(const temperature_sensor_config_t *config, temperature_sensor_handle_t *handle)
{
    (void)config;
    *handle = (temperature_sensor_handle_t)&fake;
    return ESP_OK;
}

esp_err_t temperature_sensor_enable(temperature_sensor_handle_t handle)
{
    (void)handle;
    return ESP_OK;
}

esp_err_t temperature_sensor_get_celsius(temperature_sensor_handle_t handle, float *celsius)
{
    (void)handle;
    *celsius = fake.celsius;
    return ESP_OK;
}

/* ---- pins */

esp_err_t gpio_set_direction(gpio_num_t pin, int mode)
{
    (void)pin;
    (void)mode;
    return ESP_OK;
}

esp_err_t gpio_set_level(gpio_num_t pin, uint32_t level)
{
    size_t n = strlen(fake.pin_history);
    snprintf(fake.pin_history + n, sizeof fake.pin_history - n, "%d=%u ", pin, (unsigned)level);
    if (pin == fake_board.pwdn && level == 0 && fake.pin[pin] == 1 && fake.cam.heals_after_power > 0 &&
        --fake.cam.heals_after_power == 0) {
        fake.cam.wedged = false;
    }
    fake.pin[pin] = (int)level;
    return ESP_OK;
}

esp_err_t ledc_timer_config(const ledc_timer_config_t *config)
{
    (void)config;
    return ESP_OK;
}

esp_err_t ledc_channel_config(const ledc_channel_config_t *config)
{
    fake.lamp_inverted = config->flags.output_invert;
    return ESP_OK;
}

esp_err_t ledc_set_duty(int mode, ledc_channel_t channel, uint32_t duty)
{
    (void)mode;
    (void)channel;
    fake.duty = duty;
    return ESP_OK;
}

esp_err_t ledc_update_duty(int mode, ledc_channel_t channel)
{
    (void)mode;
    (void)channel;
    return ESP_OK;
}

/* ---- NVS */

esp_err_t nvs_flash_init(void)
{
    unsigned i = fake.nvs.inits++;
    return i < 2 ? fake.nvs.init_results[i] : ESP_OK;
}

esp_err_t nvs_flash_erase(void)
{
    fake.nvs.erases++;
    fake.nvs.count = 0;
    return ESP_OK;
}

esp_err_t nvs_open(const char *name, int mode, nvs_handle_t *handle)
{
    (void)name;
    (void)mode;
    *handle = 1;
    fake.nvs.open = true;
    return ESP_OK;
}

static size_t find_key(const char *key)
{
    size_t i = 0;
    while (i < fake.nvs.count && strcmp(fake.nvs.keys[i], key) != 0) {
        i++;
    }
    return i;
}

esp_err_t nvs_get_i32(nvs_handle_t handle, const char *key, int32_t *value)
{
    (void)handle;
    size_t i = find_key(key);
    if (i == fake.nvs.count) {
        return ESP_ERR_NVS_NOT_FOUND;
    }
    *value = fake.nvs.values[i];
    return ESP_OK;
}

esp_err_t nvs_set_i32(nvs_handle_t handle, const char *key, int32_t value)
{
    (void)handle;
    if (fake.nvs.full) {
        return ESP_ERR_NVS_NOT_ENOUGH_SPACE;
    }
    size_t i = find_key(key);
    if (i == fake.nvs.count) {
        snprintf(fake.nvs.keys[i], sizeof fake.nvs.keys[i], "%s", key);
        fake.nvs.count++;
    }
    fake.nvs.values[i] = value;
    fake.nvs.writes++;
    return ESP_OK;
}

esp_err_t nvs_commit(nvs_handle_t handle)
{
    (void)handle;
    fake.nvs.commits++;
    return fake.nvs.fail_commit ? ESP_FAIL : ESP_OK;
}
