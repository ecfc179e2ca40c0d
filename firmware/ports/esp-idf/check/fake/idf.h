/*
 * The part of ESP-IDF, esp32-camera and esp_tinyusb that the port calls, declared anew for the host. Every header the
 * port includes by their names leads here. Whether these declarations are true is not judged here but by
 * typecheck.sh, which compiles the port against the real ones.
 */
#ifndef FAKE_IDF_H
#define FAKE_IDF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/time.h>

/* ---- errors, attributes, log */

typedef int esp_err_t;
enum { ESP_OK = 0, ESP_FAIL = -1, ESP_ERR_NO_MEM = 0x101, ESP_ERR_NOT_SUPPORTED = 0x106, ESP_ERR_TIMEOUT = 0x107 };

#define IRAM_ATTR
#define RTC_NOINIT_ATTR
#define IDF_VER "v0-fake"

typedef enum {
    ESP_LOG_NONE,
    ESP_LOG_ERROR,
    ESP_LOG_WARN,
    ESP_LOG_INFO,
    ESP_LOG_DEBUG,
    ESP_LOG_VERBOSE
} esp_log_level_t;
typedef int (*vprintf_like_t)(const char *, va_list);
vprintf_like_t esp_log_set_vprintf(vprintf_like_t f);
void esp_log_level_set(const char *tag, esp_log_level_t level);
void fake_log(char letter, const char *tag, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define ESP_LOGE(tag, ...) fake_log('E', tag, __VA_ARGS__)
#define ESP_LOGW(tag, ...) fake_log('W', tag, __VA_ARGS__)
#define ESP_LOGI(tag, ...) fake_log('I', tag, __VA_ARGS__)

/* ---- FreeRTOS */

typedef uint32_t TickType_t;
typedef int BaseType_t;
typedef unsigned UBaseType_t;
typedef struct fake_task *TaskHandle_t;
typedef struct fake_queue *QueueHandle_t;
typedef struct {
    int depth;
} portMUX_TYPE;
#define pdTRUE 1
#define pdFALSE 0
#define pdPASS 1
#define portMUX_INITIALIZER_UNLOCKED                                                                                   \
    {                                                                                                                  \
        0                                                                                                              \
    }
#define pdMS_TO_TICKS(ms) ((TickType_t)(ms))
void portENTER_CRITICAL_SAFE(portMUX_TYPE *lock);
void portEXIT_CRITICAL_SAFE(portMUX_TYPE *lock);
void vTaskDelay(TickType_t ticks);
uint32_t ulTaskNotifyTake(BaseType_t clear, TickType_t ticks);
void xTaskNotifyGive(TaskHandle_t task);
TaskHandle_t xTaskGetCurrentTaskHandle(void);
BaseType_t xTaskCreatePinnedToCore(void (*run)(void *), const char *name, uint32_t stack, void *arg,
                                   UBaseType_t priority, TaskHandle_t *task, BaseType_t core);
UBaseType_t uxTaskGetStackHighWaterMark(TaskHandle_t task);
const char *pcTaskGetName(TaskHandle_t task);
BaseType_t xQueueSend(QueueHandle_t q, const void *item, TickType_t ticks);
BaseType_t xQueueReceive(QueueHandle_t q, void *item, TickType_t ticks);

/* ---- system */

typedef enum {
    ESP_RST_UNKNOWN,
    ESP_RST_POWERON,
    ESP_RST_EXT,
    ESP_RST_SW,
    ESP_RST_PANIC,
    ESP_RST_INT_WDT,
    ESP_RST_TASK_WDT,
    ESP_RST_WDT,
    ESP_RST_DEEPSLEEP,
    ESP_RST_BROWNOUT,
} esp_reset_reason_t;
typedef struct {
    char version[32];
} esp_app_desc_t;
int64_t esp_timer_get_time(void);
esp_reset_reason_t esp_reset_reason(void);
void esp_restart(void);
uint32_t esp_random(void);
esp_err_t esp_efuse_mac_get_default(uint8_t *mac);
const esp_app_desc_t *esp_app_get_description(void);
esp_err_t esp_task_wdt_add(TaskHandle_t task);
esp_err_t esp_task_wdt_reset(void);
void esp_rom_install_channel_putc(int channel, void (*put)(char c));

enum { MALLOC_CAP_8BIT = 1, MALLOC_CAP_INTERNAL = 2, MALLOC_CAP_SPIRAM = 4 };
void *heap_caps_malloc(size_t size, uint32_t caps);
size_t heap_caps_get_total_size(uint32_t caps);
size_t heap_caps_get_free_size(uint32_t caps);
size_t heap_caps_get_minimum_free_size(uint32_t caps);

#define SOC_TEMP_SENSOR_SUPPORTED 1
typedef struct fake_thermometer *temperature_sensor_handle_t;
typedef struct {
    int min, max;
} temperature_sensor_config_t;
#define TEMPERATURE_SENSOR_CONFIG_DEFAULT(low, high)                                                                   \
    {                                                                                                                  \
        low, high                                                                                                      \
    }
esp_err_t temperature_sensor_install(const temperature_sensor_config_t *config, temperature_sensor_handle_t *handle);
esp_err_t temperature_sensor_enable(temperature_sensor_handle_t handle);
esp_err_t temperature_sensor_get_celsius(temperature_sensor_handle_t handle, float *celsius);

/* ---- pins and lamp */

typedef int gpio_num_t;
enum { GPIO_MODE_OUTPUT = 2 };
esp_err_t gpio_set_direction(gpio_num_t pin, int mode);
esp_err_t gpio_set_level(gpio_num_t pin, uint32_t level);

typedef enum { LEDC_TIMER_0, LEDC_TIMER_1 } ledc_timer_t;
typedef enum { LEDC_CHANNEL_0, LEDC_CHANNEL_1 } ledc_channel_t;
enum { LEDC_LOW_SPEED_MODE = 1, LEDC_TIMER_8_BIT = 8, LEDC_AUTO_CLK = 0 };
typedef struct {
    int speed_mode, duty_resolution;
    ledc_timer_t timer_num;
    uint32_t freq_hz;
    int clk_cfg;
} ledc_timer_config_t;
typedef struct {
    int gpio_num, speed_mode;
    ledc_channel_t channel;
    ledc_timer_t timer_sel;
    uint32_t duty;
    struct {
        unsigned output_invert : 1;
    } flags;
} ledc_channel_config_t;
esp_err_t ledc_timer_config(const ledc_timer_config_t *config);
esp_err_t ledc_channel_config(const ledc_channel_config_t *config);
esp_err_t ledc_set_duty(int mode, ledc_channel_t channel, uint32_t duty);
esp_err_t ledc_update_duty(int mode, ledc_channel_t channel);

/* ---- NVS */

typedef uint32_t nvs_handle_t;
enum {
    NVS_READWRITE = 1,
    ESP_ERR_NVS_NOT_FOUND = 0x1102,
    ESP_ERR_NVS_NOT_ENOUGH_SPACE = 0x1105,
    ESP_ERR_NVS_NO_FREE_PAGES = 0x110d,
    ESP_ERR_NVS_NEW_VERSION_FOUND = 0x1110,
};
esp_err_t nvs_flash_init(void);
esp_err_t nvs_flash_erase(void);
esp_err_t nvs_open(const char *name, int mode, nvs_handle_t *handle);
esp_err_t nvs_get_i32(nvs_handle_t handle, const char *key, int32_t *value);
esp_err_t nvs_set_i32(nvs_handle_t handle, const char *key, int32_t value);
esp_err_t nvs_commit(nvs_handle_t handle);

/* ---- UART */

typedef int uart_port_t;
typedef enum { UART_DATA, UART_BREAK, UART_BUFFER_FULL, UART_FIFO_OVF, UART_EVENT_MAX = 8 } uart_event_type_t;
typedef struct {
    uart_event_type_t type;
    size_t size;
} uart_event_t;
typedef struct {
    int baud_rate, data_bits, parity, stop_bits, flow_ctrl, source_clk;
} uart_config_t;
enum {
    UART_DATA_8_BITS = 3,
    UART_PARITY_DISABLE = 0,
    UART_STOP_BITS_1 = 1,
    UART_HW_FLOWCTRL_DISABLE = 0,
    UART_SCLK_DEFAULT = 4,
    UART_PIN_NO_CHANGE = -1,
    ESP_INTR_FLAG_IRAM = 1 << 10,
};
#define SOC_UART_BITRATE_MAX 5000000
esp_err_t uart_driver_install(uart_port_t port, int rx, int tx, int events, QueueHandle_t *queue, int flags);
esp_err_t uart_param_config(uart_port_t port, const uart_config_t *config);
esp_err_t uart_set_pin(uart_port_t port, int tx, int rx, int rts, int cts);
esp_err_t uart_set_rx_full_threshold(uart_port_t port, int threshold);
esp_err_t uart_set_rx_timeout(uart_port_t port, uint8_t symbols);
esp_err_t uart_set_tx_empty_threshold(uart_port_t port, int threshold);
int uart_write_bytes(uart_port_t port, const void *p, size_t n);
int uart_read_bytes(uart_port_t port, void *p, uint32_t n, TickType_t ticks);
esp_err_t uart_wait_tx_done(uart_port_t port, TickType_t ticks);
esp_err_t uart_get_sclk_freq(int clock, uint32_t *hz);
esp_err_t uart_set_baudrate(uart_port_t port, uint32_t baud);
esp_err_t uart_get_baudrate(uart_port_t port, uint32_t *baud);
esp_err_t uart_flush_input(uart_port_t port);

/* ---- USB-Serial-JTAG */

typedef struct {
    uint32_t tx_buffer_size, rx_buffer_size;
} usb_serial_jtag_driver_config_t;
esp_err_t usb_serial_jtag_driver_install(usb_serial_jtag_driver_config_t *config);
int usb_serial_jtag_read_bytes(void *p, uint32_t n, TickType_t ticks);
int usb_serial_jtag_write_bytes(const void *p, size_t n, TickType_t ticks);
bool usb_serial_jtag_is_connected(void);

/* ---- TinyUSB */

typedef enum { TINYUSB_EVENT_ATTACHED, TINYUSB_EVENT_DETACHED } tinyusb_event_id_t;
typedef struct {
    tinyusb_event_id_t id;
} tinyusb_event_t;
typedef struct {
    void (*event_cb)(tinyusb_event_t *event, void *arg);
} tinyusb_config_t;
#define TINYUSB_DEFAULT_CONFIG(callback) ((tinyusb_config_t){.event_cb = (callback)})
typedef enum { TINYUSB_CDC_ACM_0 } tinyusb_cdcacm_itf_t;
typedef struct {
    int type;
    struct {
        bool dtr, rts;
    } line_state_changed_data;
} cdcacm_event_t;
typedef void (*tusb_cdcacm_callback_t)(int itf, cdcacm_event_t *event);
typedef struct {
    tinyusb_cdcacm_itf_t cdc_port;
    tusb_cdcacm_callback_t callback_rx, callback_line_state_changed;
} tinyusb_config_cdcacm_t;
esp_err_t tinyusb_driver_install(const tinyusb_config_t *config);
esp_err_t tinyusb_cdcacm_init(const tinyusb_config_cdcacm_t *config);
size_t tinyusb_cdcacm_write_queue(tinyusb_cdcacm_itf_t itf, const uint8_t *p, size_t n);
esp_err_t tinyusb_cdcacm_write_flush(tinyusb_cdcacm_itf_t itf, uint32_t ticks);
esp_err_t tinyusb_cdcacm_read(tinyusb_cdcacm_itf_t itf, uint8_t *p, size_t room, size_t *got);
bool tud_cdc_n_write_clear(uint8_t itf);
void tud_cdc_n_read_flush(uint8_t itf);

/* ---- esp32-camera */

typedef enum { PIXFORMAT_RGB565, PIXFORMAT_YUV422, PIXFORMAT_YUV420, PIXFORMAT_GRAYSCALE, PIXFORMAT_JPEG } pixformat_t;
typedef enum {
    FRAMESIZE_96X96,
    FRAMESIZE_QQVGA,
    FRAMESIZE_128X128,
    FRAMESIZE_QCIF,
    FRAMESIZE_HQVGA,
    FRAMESIZE_240X240,
    FRAMESIZE_QVGA,
    FRAMESIZE_320X320,
    FRAMESIZE_CIF,
    FRAMESIZE_HVGA,
    FRAMESIZE_VGA,
    FRAMESIZE_SVGA,
    FRAMESIZE_XGA,
    FRAMESIZE_HD,
    FRAMESIZE_SXGA,
    FRAMESIZE_UXGA,
    FRAMESIZE_FHD,
    FRAMESIZE_P_HD,
    FRAMESIZE_P_3MP,
    FRAMESIZE_QXGA,
    FRAMESIZE_QHD,
    FRAMESIZE_WQXGA,
    FRAMESIZE_P_FHD,
    FRAMESIZE_QSXGA,
    FRAMESIZE_5MP,
    FRAMESIZE_INVALID
} framesize_t;
enum { OV2640_PID = 0x26, OV3660_PID = 0x3660, OV5640_PID = 0x5640, NT99141_PID = 0x1410, GC0308_PID = 0x9b };
typedef enum { CAMERA_GRAB_WHEN_EMPTY, CAMERA_GRAB_LATEST } camera_grab_mode_t;
typedef enum { CAMERA_FB_IN_PSRAM, CAMERA_FB_IN_DRAM } camera_fb_location_t;
typedef enum { GAINCEILING_2X } gainceiling_t;
typedef struct {
    int pin_pwdn, pin_reset, pin_xclk, pin_sccb_sda, pin_sccb_scl;
    int pin_d7, pin_d6, pin_d5, pin_d4, pin_d3, pin_d2, pin_d1, pin_d0, pin_vsync, pin_href, pin_pclk;
    int xclk_freq_hz;
    ledc_timer_t ledc_timer;
    ledc_channel_t ledc_channel;
    pixformat_t pixel_format;
    framesize_t frame_size;
    int jpeg_quality;
    size_t fb_count;
    camera_fb_location_t fb_location;
    camera_grab_mode_t grab_mode;
} camera_config_t;
typedef struct {
    uint8_t *buf;
    size_t len, width, height;
    pixformat_t format;
    struct timeval timestamp;
} camera_fb_t;
typedef struct {
    uint16_t width, height;
} resolution_info_t;
typedef struct {
    const char *name;
    uint16_t pid;
    framesize_t max_size;
    bool support_jpeg;
} camera_sensor_info_t;
typedef struct {
    uint16_t PID;
} sensor_id_t;
typedef struct {
    framesize_t framesize;
    uint8_t quality;
    int8_t brightness, contrast, saturation, sharpness;
    uint8_t denoise, special_effect, wb_mode, awb, aec, aec2;
    int8_t ae_level;
    uint16_t aec_value;
    uint8_t agc, agc_gain, gainceiling, bpc, wpc, raw_gma, lenc, hmirror, vflip, dcw, colorbar;
} camera_status_t;
typedef struct fake_sensor sensor_t;
struct fake_sensor {
    sensor_id_t id;
    camera_status_t status;
    int (*set_pixformat)(sensor_t *s, pixformat_t format);
    int (*set_framesize)(sensor_t *s, framesize_t size);
    int (*set_gainceiling)(sensor_t *s, gainceiling_t ceiling);
    int (*set_contrast)(sensor_t *s, int v);
    int (*set_brightness)(sensor_t *s, int v);
    int (*set_saturation)(sensor_t *s, int v);
    int (*set_sharpness)(sensor_t *s, int v);
    int (*set_denoise)(sensor_t *s, int v);
    int (*set_quality)(sensor_t *s, int v);
    int (*set_colorbar)(sensor_t *s, int v);
    int (*set_whitebal)(sensor_t *s, int v);
    int (*set_gain_ctrl)(sensor_t *s, int v);
    int (*set_exposure_ctrl)(sensor_t *s, int v);
    int (*set_hmirror)(sensor_t *s, int v);
    int (*set_vflip)(sensor_t *s, int v);
    int (*set_aec2)(sensor_t *s, int v);
    int (*set_agc_gain)(sensor_t *s, int v);
    int (*set_aec_value)(sensor_t *s, int v);
    int (*set_special_effect)(sensor_t *s, int v);
    int (*set_wb_mode)(sensor_t *s, int v);
    int (*set_ae_level)(sensor_t *s, int v);
    int (*set_dcw)(sensor_t *s, int v);
    int (*set_bpc)(sensor_t *s, int v);
    int (*set_wpc)(sensor_t *s, int v);
    int (*set_raw_gma)(sensor_t *s, int v);
    int (*set_lenc)(sensor_t *s, int v);
    int (*set_reg)(sensor_t *s, int reg, int mask, int value);
};
extern const resolution_info_t resolution[];
camera_sensor_info_t *esp_camera_sensor_get_info(sensor_id_t *id);
esp_err_t esp_camera_init(const camera_config_t *config);
esp_err_t esp_camera_deinit(void);
camera_fb_t *esp_camera_fb_get(void);
void esp_camera_fb_return(camera_fb_t *fb);
sensor_t *esp_camera_sensor_get(void);
typedef size_t (*jpg_out_cb)(void *arg, size_t index, const void *data, size_t len);
bool frame2jpg_cb(camera_fb_t *fb, uint8_t quality, jpg_out_cb cb, void *arg);

#endif
