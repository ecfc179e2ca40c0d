#include "board_prepare.h"

#include "driver/gpio.h"
#include "esp_rom_sys.h"

/*
 * The power chip is spoken to bit by bit. The I2C drivers would have to be chosen by the version of the SDK, must not
 * meet the one esp32-camera uses for the sensor, and would stay for four registers written at boot.
 */
enum {
    PMU_SDA = 7,
    PMU_SCL = 6,
    PMU_ADDRESS = 0x34,
    PMU_LDO_ON = 0x90,    /* bits 0 to 3: ALDO1 to ALDO4 */
    PMU_ALDO1_MV = 0x92,  /* the others follow; bits 0 to 4: 500 mV and 100 mV a step */
    HALF_BIT_US = 5,      /* 100 kHz at most */
    DISCHARGE_US = 20000, /* what a sensor needs to forget */
    SETTLE_US = 5000,
};

/* The sensor's rails and their voltages as LilyGO's MinimalCameraExample.ino sets them. */
static const struct rail {
    uint8_t aldo; /* 1 to 4 */
    uint16_t mv;
} rails[] = {{1, 1800}, {2, 2800}, {4, 3000}};

static void line(int pin, int level)
{
    gpio_set_level((gpio_num_t)pin, (uint32_t)level);
    esp_rom_delay_us(HALF_BIT_US);
}

static void bus_start(void)
{
    line(PMU_SDA, 1);
    line(PMU_SCL, 1);
    line(PMU_SDA, 0);
    line(PMU_SCL, 0);
}

static void bus_stop(void)
{
    line(PMU_SDA, 0);
    line(PMU_SCL, 1);
    line(PMU_SDA, 1);
}

static int bus_bit(int out)
{
    line(PMU_SDA, out);
    line(PMU_SCL, 1);
    int in = gpio_get_level((gpio_num_t)PMU_SDA);
    line(PMU_SCL, 0);
    return in;
}

/* Sends a byte; true when it was acknowledged. */
static bool bus_send(uint8_t byte)
{
    for (int i = 7; i >= 0; i--) {
        bus_bit(byte >> i & 1);
    }
    return bus_bit(1) == 0;
}

/* Receives the last byte of a transfer. */
static uint8_t bus_receive(void)
{
    uint8_t byte = 0;
    for (int i = 0; i < 8; i++) {
        byte = (uint8_t)(byte << 1 | bus_bit(1));
    }
    bus_bit(1);
    return byte;
}

static bool pmu_read(uint8_t reg, uint8_t *value)
{
    bus_start();
    bool ok = bus_send(PMU_ADDRESS << 1) && bus_send(reg);
    if (ok) {
        bus_start();
        ok = bus_send(PMU_ADDRESS << 1 | 1);
        if (ok) {
            *value = bus_receive();
        }
    }
    bus_stop();
    return ok;
}

static bool pmu_write(uint8_t reg, uint8_t value)
{
    bus_start();
    bool ok = bus_send(PMU_ADDRESS << 1) && bus_send(reg) && bus_send(value);
    bus_stop();
    return ok;
}

/* Replaces the bits of mask in a register. */
static bool pmu_change(uint8_t reg, uint8_t mask, uint8_t bits)
{
    uint8_t value;
    return pmu_read(reg, &value) && pmu_write(reg, (uint8_t)((value & ~mask) | bits));
}

/* Cuts the sensor's supplies and brings them back: it has no power-down line, and this is how it is woken from
 * anything. */
static esp_err_t pmu_cycle(void)
{
    const gpio_config_t bus = {
        .pin_bit_mask = 1ULL << PMU_SDA | 1ULL << PMU_SCL,
        .mode = GPIO_MODE_INPUT_OUTPUT_OD,
        .pull_up_en = GPIO_PULLUP_ENABLE,
    };
    esp_err_t err = gpio_config(&bus);
    if (err != ESP_OK) {
        return err;
    }
    /* A chip that was reset in the middle of a byte holds SDA until it has sent the rest. */
    line(PMU_SCL, 0);
    for (int i = 0; i < 9; i++) {
        bus_bit(1);
    }
    bus_stop();

    uint8_t on = 0;
    for (size_t i = 0; i < sizeof rails / sizeof rails[0]; i++) {
        on |= (uint8_t)(1 << (rails[i].aldo - 1));
    }
    bool ok = pmu_change(PMU_LDO_ON, on, 0);
    if (ok) {
        esp_rom_delay_us(DISCHARGE_US);
    }
    for (size_t i = 0; ok && i < sizeof rails / sizeof rails[0]; i++) {
        ok = pmu_change((uint8_t)(PMU_ALDO1_MV + rails[i].aldo - 1), 0x1f, (uint8_t)((rails[i].mv - 500) / 100));
    }
    ok = ok && pmu_change(PMU_LDO_ON, on, on);
    if (ok) {
        esp_rom_delay_us(SETTLE_US);
    }
    return ok ? ESP_OK : ESP_ERR_NOT_FOUND;
}

static esp_err_t hold_battery(void)
{
    const gpio_config_t hold = {.pin_bit_mask = 1ULL << 33, .mode = GPIO_MODE_OUTPUT};
    /* The level first: the board would switch itself off in between. */
    esp_err_t err = gpio_set_level(GPIO_NUM_33, 1);
    return err != ESP_OK ? err : gpio_config(&hold);
}

static esp_err_t pull_up(void)
{
    const gpio_config_t data = {
        .pin_bit_mask = 1ULL << 13 | 1ULL << 14,
        .mode = GPIO_MODE_INPUT,
        .pull_up_en = GPIO_PULLUP_ENABLE,
    };
    return gpio_config(&data);
}

esp_err_t board_prepare(const struct board *board)
{
    esp_err_t err = ESP_OK;
    if (board->needs & BOARD_NEEDS_HOLD) {
        err = hold_battery();
    }
    if (err == ESP_OK && board->needs & BOARD_NEEDS_PULL_UPS) {
        err = pull_up();
    }
    if (err == ESP_OK && board->needs & BOARD_NEEDS_AXP2101) {
        err = pmu_cycle();
    }
    return err;
}
