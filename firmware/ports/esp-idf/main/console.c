#include "console.h"

#include "esp_attr.h"
#include "esp_log.h"
#include "esp_rom_sys.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum console_size { LOG_RING = 2048, ROM_RING = 512, FORMAT_MAX = 200, LINE_MAX_CHARS = 220, TAG_MAX_CHARS = 16 };
enum console_level { LEVEL_ERROR = 1, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

/* A ring that takes all of a text or nothing. Written from any task and interrupt, also while the flash is off: hence
 * the lock, and code and data in internal RAM. */
struct ring {
    char *chars;
    uint32_t size, in, out; /* in and out count on; the difference is what is in it */
    uint32_t lost;
};

/* A line on its way from a ring to the core. */
struct line {
    char text[LINE_MAX_CHARS + 1];
    uint32_t len;
};

static portMUX_TYPE lock = portMUX_INITIALIZER_UNLOCKED;
static char log_chars[LOG_RING], rom_chars[ROM_RING];
static struct ring log_ring = {.chars = log_chars, .size = LOG_RING};
static struct ring rom_ring = {.chars = rom_chars, .size = ROM_RING};
static struct line log_line, rom_line;
static void (*wake_reader)(void);

static bool IRAM_ATTR ring_put(struct ring *r, const char *text, uint32_t n)
{
    portENTER_CRITICAL_SAFE(&lock);
    bool fits = n <= r->size - (r->in - r->out);
    if (fits) {
        for (uint32_t i = 0; i < n; i++) {
            r->chars[r->in++ % r->size] = text[i];
        }
    } else {
        r->lost += n;
    }
    portEXIT_CRITICAL_SAFE(&lock);
    return fits;
}

static bool ring_get(struct ring *r, char *c)
{
    portENTER_CRITICAL_SAFE(&lock);
    bool any = r->in != r->out;
    if (any) {
        *c = r->chars[r->out++ % r->size];
    }
    portEXIT_CRITICAL_SAFE(&lock);
    return any;
}

static uint32_t ring_lost(struct ring *r)
{
    portENTER_CRITICAL_SAFE(&lock);
    uint32_t lost = r->lost;
    r->lost = 0;
    portEXIT_CRITICAL_SAFE(&lock);
    return lost;
}

static void IRAM_ATTR on_rom_char(char c)
{
    ring_put(&rom_ring, &c, 1);
}

/* A line is cut, never split: its end of line always gets in. */
static int on_log(const char *format, va_list args)
{
    char text[FORMAT_MAX];
    int n = vsnprintf(text, sizeof text, format, args);
    if (n <= 0) {
        return n;
    }
    uint32_t len = (uint32_t)n;
    if (len >= sizeof text) {
        len = sizeof text - 1;
        text[len - 1] = '\n';
    }
    if (ring_put(&log_ring, text, len) && wake_reader != NULL) {
        wake_reader();
    }
    return n;
}

void console_install(void (*wake)(void))
{
    wake_reader = wake;
    esp_log_set_vprintf(on_log);
    esp_rom_install_channel_putc(1, on_rom_char);
    esp_rom_install_channel_putc(2, NULL);
}

/* ---- Lines -------------------------------------------------------------------------------- */

/* Removes colours (ESC [ ... m) and carriage returns. */
static void clean(struct line *l)
{
    uint32_t to = 0;
    for (uint32_t i = 0; i < l->len; i++) {
        if (l->text[i] == '\033') {
            while (i + 1 < l->len && l->text[i] != 'm') {
                i++;
            }
        } else if (l->text[i] != '\r') {
            l->text[to++] = l->text[i];
        }
    }
    l->text[to] = '\0';
    l->len = to;
}

static uint8_t level_of(char letter)
{
    switch (letter) {
    case 'E':
        return LEVEL_ERROR;
    case 'W':
        return LEVEL_WARNING;
    case 'I':
        return LEVEL_INFO;
    case 'D':
    case 'V':
        return LEVEL_DEBUG;
    default:
        return 0;
    }
}

/* "tag: text", the tag one short word. */
static const char *split_tag(const char *text, char tag[TAG_MAX_CHARS + 1])
{
    size_t n = strcspn(text, ": ");
    if (n == 0 || n > TAG_MAX_CHARS || text[n] != ':' || text[n + 1] != ' ') {
        return text;
    }
    memcpy(tag, text, n);
    tag[n] = '\0';
    return text + n + 2;
}

/* "I (1234) tag: text" is esp_log's way; the ROM's printf has "tag: text" at best, and is used for trouble. */
static void tell(struct camlink_device *d, struct line *l)
{
    clean(l);
    char tag[TAG_MAX_CHARS + 1] = "console";
    const char *text = l->text;
    uint8_t level = level_of(text[0]);
    const char *end = level != 0 && text[1] == ' ' && text[2] == '(' ? strstr(text, ") ") : NULL;
    if (end != NULL) {
        text = end + 2;
    } else {
        level = LEVEL_WARNING;
    }
    text = split_tag(text, tag);
    if (text[0] != '\0') {
        camlink_device_log(d, level, tag, text);
    }
    l->len = 0;
}

static void drain(struct camlink_device *d, struct ring *r, struct line *l)
{
    char c;
    /* At most a ringful: another task may print as fast as this one reads. */
    for (uint32_t n = 0; n < r->size && ring_get(r, &c); n++) {
        if (c != '\n' && l->len < LINE_MAX_CHARS) {
            l->text[l->len++] = c;
        } else if (c == '\n') {
            tell(d, l);
        }
    }
    uint32_t lost = ring_lost(r);
    if (lost > 0) {
        char text[48];
        snprintf(text, sizeof text, "%u characters of log lost", (unsigned)lost);
        camlink_device_log(d, LEVEL_WARNING, "console", text);
    }
}

void console_drain(struct camlink_device *d)
{
    drain(d, &log_ring, &log_line);
    drain(d, &rom_ring, &rom_line);
}

void console_set_level(uint8_t level)
{
    esp_log_level_set("*", (esp_log_level_t)level);
}
