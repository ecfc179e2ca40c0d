#include "settings.h"

#include "esp_log.h"
#include "nvs.h"
#include "nvs_flash.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#define TAG "settings"

/* A host that moves a slider sends many values; the last one within this time is the one meant. */
enum settings_time { SETTLE_US = 2000000 };

static bool opened;
static nvs_handle_t store;
/* Any task puts, the capture task takes. */
static atomic_uint due; /* one bit per key */
static _Atomic int32_t wanted[SETTINGS_KEYS];
/* The capture task's. */
static uint64_t quiet_until_us;
static bool counting;

static const char *name_of(uint16_t key, char name[8])
{
    snprintf(name, 8, "key%u", key % 1000u);
    return name;
}

bool settings_open(void)
{
    esp_err_t err = nvs_flash_init();
    if (err == ESP_ERR_NVS_NO_FREE_PAGES || err == ESP_ERR_NVS_NEW_VERSION_FOUND) {
        err = nvs_flash_erase();
        if (err == ESP_OK) {
            err = nvs_flash_init();
        }
    }
    if (err == ESP_OK) {
        err = nvs_open("camgw", NVS_READWRITE, &store);
    }
    opened = err == ESP_OK;
    if (!opened) {
        ESP_LOGE(TAG, "no store: error 0x%x", (unsigned)err);
    }
    return opened;
}

bool settings_load(uint16_t key, int32_t *value)
{
    char name[8];
    return opened && nvs_get_i32(store, name_of(key, name), value) == ESP_OK;
}

void settings_keep(uint16_t key, int32_t value)
{
    if (opened && key < SETTINGS_KEYS) {
        atomic_store(&wanted[key], value);
        atomic_fetch_or(&due, 1u << key);
    }
}

static bool write_one(uint16_t key)
{
    char name[8];
    int32_t value = atomic_load(&wanted[key]);
    int32_t kept;
    if (settings_load(key, &kept) && kept == value) {
        return false;
    }
    esp_err_t err = nvs_set_i32(store, name_of(key, name), value);
    if (err != ESP_OK) {
        ESP_LOGE(TAG, "key %u not kept: error 0x%x", key, (unsigned)err);
        return false;
    }
    return true;
}

bool settings_flush(uint64_t now_us)
{
    if (atomic_load(&due) == 0) {
        return false;
    }
    if (!counting) {
        counting = true;
        quiet_until_us = now_us + SETTLE_US;
    }
    if (now_us < quiet_until_us) {
        return false;
    }
    counting = false;
    unsigned keys = atomic_exchange(&due, 0);
    bool wrote = false;
    for (uint16_t key = 0; key < SETTINGS_KEYS; key++) {
        if ((keys >> key & 1u) != 0) {
            wrote = write_one(key) || wrote;
        }
    }
    if (wrote && nvs_commit(store) != ESP_OK) {
        ESP_LOGE(TAG, "not kept: commit failed");
    }
    return wrote;
}
