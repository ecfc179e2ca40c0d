/* The knobs of the fakes, and what they saw. Zeroed by fake_reset before each test. */
#ifndef FAKE_H
#define FAKE_H

#include "boards.h"
#include "idf.h"

enum fake_limit { FAKE_WIRE = 1 << 18, FAKE_PINS = 50, FAKE_LOG = 1 << 14, FAKE_KEYS = 40, FAKE_EVENTS = 16 };

enum fake_picture {
    PICTURE_GOOD,
    PICTURE_NONE,    /* the driver waits its 4 s and gives NULL */
    PICTURE_CUT,     /* the scan ends in the middle */
    PICTURE_PADDED,  /* garbage behind EOI, with another EOI in it */
    PICTURE_SHIFTED, /* garbage before SOI */
    PICTURE_TORN,    /* another picture starts in the scan */
};

struct fake {
    int64_t now_us;
    bool notified;
    uint32_t nap_ms; /* 0, or the longest a sleep lasts: the other task runs meanwhile */
    unsigned sleeps, restarts, nesting;
    int64_t fed_us, longest_unfed_us; /* the watchdog */
    esp_reset_reason_t reset_reason;
    uint32_t random;
    size_t psram; /* bytes free, and there at all */
    unsigned stack_left;
    float celsius;
    uint32_t stack_of[2]; /* of tasks created */

    char log[FAKE_LOG]; /* lines of ESP_LOGx while no hook is installed */
    size_t log_len;
    vprintf_like_t vprintf_hook;
    void (*putc_hook[3])(char c);
    esp_log_level_t log_level;

    int pin[FAKE_PINS];
    char pin_history[256]; /* "pin=level " for each change of power and reset */
    uint32_t duty;
    bool lamp_inverted;
    esp_err_t prepare_result;
    unsigned prepared;

    struct {
        bool open, fail_init, full, fail_commit;
        esp_err_t init_results[2]; /* one after the other */
        unsigned inits, erases, writes, commits;
        char keys[FAKE_KEYS][16];
        int32_t values[FAKE_KEYS];
        size_t count;
    } nvs;

    struct {
        uint8_t sent[FAKE_WIRE], received[FAKE_WIRE];
        size_t sent_len, received_len, received_at;
        uint32_t baud, skew; /* skew: permille by which get_baudrate differs */
        int fifo_threshold, empty_threshold, tx_ring, flags, tx_pin, rx_pin;
        size_t largest_write;
        unsigned writes, flushes;
        int64_t idle_us; /* when the last byte is out */
        uart_event_t events[FAKE_EVENTS];
        size_t event_count;
    } uart;

    struct {
        bool connected, reading;
        uint32_t ring, used;
        unsigned calls, partial; /* partial: would be a fault of the port */
        uint8_t sent[FAKE_WIRE], received[256];
        size_t sent_len, received_len;
    } usj;

    struct {
        tinyusb_config_t device;
        tinyusb_config_cdcacm_t acm;
        size_t room;
        unsigned flushes, clears, writes_without_dtr;
        bool dtr;
        uint8_t sent[FAKE_WIRE], received[256];
        size_t sent_len, received_len;
    } tusb;

    struct {
        uint16_t pid; /* 0: no sensor */
        bool wedged;  /* gives no pictures */
        bool refuse;  /* setters fail */
        bool open;
        unsigned fail_inits; /* so many fail from now on */
        unsigned heals_after_inits, heals_after_power;
        unsigned inits, deinits, gets, sets, size_changes, freed_in_use, standby_writes;
        bool standby;
        camera_config_t config;
        sensor_t sensor;
        enum fake_picture next[16]; /* then good ones */
        size_t next_at, next_count;
        int64_t interval_us;
        unsigned stale; /* pictures from before, in the driver's queue */
        pixformat_t only_format;
        bool frame2jpg_fails;
        size_t frame2jpg_extra;
        uint8_t frame2jpg_quality;
    } cam;
};

extern struct fake fake;

void fake_reset(void);
void fake_sleep(TickType_t ticks);
/* Frees what the fake camera holds. */
void fake_finish(void);
bool fake_logged(const char *text);
void fake_pictures(const enum fake_picture *list, size_t n);
/* Buffers of the driver not in its own hands. */
unsigned fake_buffers_out(void);
/* A board of the tests. */
extern struct board fake_board;

#endif
