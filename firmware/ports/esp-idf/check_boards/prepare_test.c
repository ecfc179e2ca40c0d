/*
 * board_prepare against a power chip on two simulated wires. The chip decodes the edges as I2C defines them; it knows
 * nothing of how the code makes them.
 */
#include "check.h"

#include "board_prepare.h"
#include "driver/gpio.h"
#include "esp_rom_sys.h"

#include <string.h>

enum { SDA = 7, SCL = 6, ADDRESS = 0x34, SLOWEST_EDGE_US = 4 };

static struct {
    gpio_config_t config[64];
    int level[64];
    bool hold_was_late; /* GPIO33 became an output before its level was set */
} pins;

static struct {
    bool present;
    uint8_t reg[256];
    uint8_t log[32]; /* registers written, in order */
    size_t logged;
    bool dark; /* all rails of the sensor were off */
    uint64_t now, dark_since, dark_us, edge;
    bool too_fast;
    /* the slave's side of the bus */
    bool pulls; /* SDA low */
    bool active, reads, addressed, pointed;
    int bit;
    uint8_t shift, pointer;
    int stuck; /* clocks for which it still holds SDA after a reset in the middle of a byte */
} pmu;

static int sda_now(void)
{
    return pins.level[SDA] && !pmu.pulls && pmu.stuck == 0;
}

static void wrote(uint8_t reg, uint8_t value)
{
    pmu.reg[reg] = value;
    if (pmu.logged < sizeof pmu.log) {
        pmu.log[pmu.logged++] = reg;
    }
    bool dark = (pmu.reg[0x90] & 0x0b) == 0;
    if (dark && !pmu.dark) {
        pmu.dark_since = pmu.now;
    }
    if (!dark && pmu.dark) {
        pmu.dark_us = pmu.now - pmu.dark_since;
    }
    pmu.dark = dark;
}

static void byte_arrived(void)
{
    if (!pmu.addressed) {
        pmu.addressed = pmu.present && pmu.shift >> 1 == ADDRESS;
        pmu.reads = pmu.shift & 1;
        pmu.active = pmu.addressed;
    } else if (!pmu.pointed) {
        pmu.pointer = pmu.shift;
        pmu.pointed = true;
    } else {
        wrote(pmu.pointer++, pmu.shift);
    }
}

static void scl_rises(void)
{
    if (pmu.stuck > 0) {
        pmu.stuck--;
    }
    if (pmu.active && pmu.bit < 8 && !(pmu.reads && pmu.addressed)) {
        pmu.shift = (uint8_t)(pmu.shift << 1 | sda_now());
    }
    if (pmu.active && pmu.bit == 8 && pmu.reads && pmu.addressed && sda_now()) {
        pmu.active = false; /* not acknowledged: the master wants no more */
    }
}

static void scl_falls(void)
{
    if (!pmu.active) {
        pmu.pulls = false;
        return;
    }
    bool sends = pmu.reads && pmu.addressed;
    if (++pmu.bit == 8) {
        if (sends) {
            pmu.pulls = false; /* the master acknowledges */
        } else {
            byte_arrived();
            pmu.pulls = pmu.active;
            pmu.shift = 0;
        }
    } else {
        if (pmu.bit == 9) {
            pmu.bit = 0;
            sends = pmu.reads && pmu.addressed;
        }
        pmu.pulls = sends && pmu.bit < 8 && !(pmu.reg[pmu.pointer] >> (7 - pmu.bit) & 1);
    }
}

static void sda_changes(int level)
{
    if (!pins.level[SCL]) {
        return;
    }
    pmu.active = !level; /* start or stop */
    pmu.bit = level ? 0 : -1;
    pmu.addressed = false;
    pmu.shift = 0;
    pmu.pulls = false;
    if (!level) {
        pmu.pointed = false;
    }
}

esp_err_t gpio_config(const gpio_config_t *config)
{
    for (int i = 0; i < 64; i++) {
        if (config->pin_bit_mask >> i & 1) {
            pins.config[i] = *config;
            if (i == 33 && config->mode == GPIO_MODE_OUTPUT && !pins.level[33]) {
                pins.hold_was_late = true;
            }
        }
    }
    return ESP_OK;
}

esp_err_t gpio_set_level(gpio_num_t pin, uint32_t level)
{
    int before = pin == SDA ? sda_now() : pins.level[pin];
    pins.level[pin] = level != 0;
    int after = pin == SDA ? sda_now() : pins.level[pin];
    if (before != after && (pin == SDA || pin == SCL)) {
        pmu.too_fast = pmu.too_fast || pmu.now - pmu.edge < SLOWEST_EDGE_US;
        pmu.edge = pmu.now;
        if (pin == SDA) {
            sda_changes(after);
        } else if (after) {
            scl_rises();
        } else {
            scl_falls();
        }
    }
    return ESP_OK;
}

int gpio_get_level(gpio_num_t pin)
{
    return pin == SDA ? sda_now() : pins.level[pin];
}

void esp_rom_delay_us(uint32_t us)
{
    pmu.now += us;
}

static void power_on(void)
{
    memset(&pins, 0, sizeof pins);
    memset(&pmu, 0, sizeof pmu);
    pins.level[SDA] = pins.level[SCL] = 1;
    pmu.present = true;
    pmu.now = 1000;
    pmu.reg[0x90] = 0xf4; /* other rails are on, the sensor's are not */
    pmu.dark = true;
    pmu.reg[0x92] = 0xa0; /* what the upper bits mean is the chip's business */
    pmu.reg[0x93] = 0xff;
    pmu.reg[0x94] = 0x55;
    pmu.reg[0x95] = 0x1f;
}

static const struct board *named(const char *name)
{
    for (size_t i = 0; i < board_count; i++) {
        if (strcmp(board_table[i].board.name, name) == 0) {
            return &board_table[i].board;
        }
    }
    return NULL;
}

static void rails_are_switched_on(void)
{
    power_on();
    CHECK(board_prepare(named("LILYGO_T_CAMERA_S3")) == ESP_OK, "failed");
    CHECK(pmu.reg[0x90] == 0xff, "rails are %02x", pmu.reg[0x90]);
    CHECK(pmu.reg[0x92] == (0xa0 | 13), "1.8 V is %02x", pmu.reg[0x92]);
    CHECK(pmu.reg[0x93] == (0xe0 | 23), "2.8 V is %02x", pmu.reg[0x93]);
    CHECK(pmu.reg[0x95] == 25, "3.0 V is %02x", pmu.reg[0x95]);
    CHECK(pmu.reg[0x94] == 0x55, "ALDO3 was touched");
    CHECK(pmu.logged > 0 && pmu.log[pmu.logged - 1] == 0x90, "switched on before the voltages were set");
    CHECK(!pmu.too_fast, "an edge followed another too soon");
    CHECK(pins.config[SDA].mode == GPIO_MODE_INPUT_OUTPUT_OD && pins.config[SDA].pull_up_en, "SDA is not open drain");
}

static void a_repeat_takes_the_power_away(void)
{
    power_on();
    CHECK(board_prepare(named("LILYGO_T_CAMERA_S3")) == ESP_OK, "failed");
    pmu.dark_us = 0;
    CHECK(board_prepare(named("LILYGO_T_CAMERA_S3")) == ESP_OK, "failed again");
    CHECK(pmu.dark_us >= 20000, "the sensor was without power for %d us", (int)pmu.dark_us);
    CHECK(pmu.reg[0x90] == 0xff, "rails are %02x", pmu.reg[0x90]);
}

static void a_missing_power_chip_is_told(void)
{
    power_on();
    pmu.present = false;
    CHECK(board_prepare(named("LILYGO_T_CAMERA_S3")) == ESP_ERR_NOT_FOUND, "not told");
    CHECK(pmu.logged == 0, "something was written");
}

static void a_chip_in_the_middle_of_a_byte_is_freed(void)
{
    power_on();
    pmu.stuck = 7;
    CHECK(board_prepare(named("LILYGO_T_CAMERA_S3")) == ESP_OK, "failed");
    CHECK(pmu.reg[0x90] == 0xff, "rails are %02x", pmu.reg[0x90]);
}

static void the_battery_is_held(void)
{
    power_on();
    CHECK(board_prepare(named("M5STACK_TIMER_CAM")) == ESP_OK, "failed");
    CHECK(pins.config[33].mode == GPIO_MODE_OUTPUT && pins.level[33] == 1, "GPIO33 does not hold");
    CHECK(!pins.hold_was_late, "GPIO33 was driven low first");
}

static void data_lines_are_pulled_up(void)
{
    power_on();
    CHECK(board_prepare(named("ESP_EYE")) == ESP_OK, "failed");
    for (int i = 13; i <= 14; i++) {
        CHECK(pins.config[i].mode == GPIO_MODE_INPUT && pins.config[i].pull_up_en, "GPIO%d is not pulled up", i);
    }
}

static void other_boards_are_left_alone(void)
{
    power_on();
    for (size_t i = 0; i < board_count; i++) {
        if (board_table[i].board.needs == 0) {
            CHECK(board_prepare(&board_table[i].board) == ESP_OK, "%s failed", board_table[i].board.name);
        }
    }
    for (int i = 0; i < 64; i++) {
        CHECK(pins.config[i].pin_bit_mask == 0, "GPIO%d was touched", i);
    }
}

void prepare_suite(void)
{
    RUN(rails_are_switched_on);
    RUN(a_repeat_takes_the_power_away);
    RUN(a_missing_power_chip_is_told);
    RUN(a_chip_in_the_middle_of_a_byte_is_freed);
    RUN(the_battery_is_held);
    RUN(data_lines_are_pulled_up);
    RUN(other_boards_are_left_alone);
}
