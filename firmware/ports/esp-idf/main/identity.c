#include "identity.h"

#include "esp_app_desc.h"
#include "esp_attr.h"
#include "esp_idf_version.h"
#include "esp_mac.h"
#include "esp_random.h"
#include "esp_system.h"
#include "sdkconfig.h"

/* The random generator has little to draw from while no radio runs: no two boots in a row may look like one. */
static RTC_NOINIT_ATTR uint32_t last_boot_id;

static uint32_t new_boot_id(void)
{
    uint32_t id = esp_random();
    if (id == last_boot_id || id == 0) {
        id = last_boot_id * 0x9E3779B9u + 1u;
    }
    last_boot_id = id;
    return id;
}

/* As in HELLO. */
static uint8_t reset_reason(void)
{
    switch (esp_reset_reason()) {
    case ESP_RST_POWERON:
        return 1;
    case ESP_RST_EXT:
        return 2;
    case ESP_RST_SW:
        return 3;
    case ESP_RST_PANIC:
        return 4;
    case ESP_RST_INT_WDT:
    case ESP_RST_TASK_WDT:
    case ESP_RST_WDT:
        return 5;
    case ESP_RST_BROWNOUT:
        return 6;
    case ESP_RST_DEEPSLEEP:
        return 7;
    default:
        return 0;
    }
}

static uint32_t features(const struct link *link, const struct camera *camera, bool persists, bool lamp)
{
    uint32_t f = (lamp ? CAMLINK_FEATURE_LAMP : 0) | (camera->is_card ? CAMLINK_FEATURE_TEST_CARD : 0) |
                 (!camera->is_card && camera->sensor.soft_jpeg ? CAMLINK_FEATURE_SOFT_JPEG : 0);
#if CONFIG_CAMGW_ONE_WAY
    (void)link;
    (void)persists;
    return f | CAMLINK_FEATURE_ONE_WAY;
#else
    f |= CAMLINK_FEATURE_CREDIT | (persists ? CAMLINK_FEATURE_PERSIST : 0) |
         (link->set_baud != NULL ? CAMLINK_FEATURE_BAUD : 0);
#if CONFIG_IDF_TARGET_ESP32S2 || CONFIG_IDF_TARGET_ESP32S3
    f |= CAMLINK_FEATURE_DOWNLOAD;
#endif
    return f;
#endif
}

void identity_make(struct camlink_identity *id, const struct board *board, const struct link *link,
                   const struct camera *camera, bool persists, bool lamp)
{
    *id = (struct camlink_identity){
        .boot_id = new_boot_id(),
        .max_frame = camera_max_frame(camera),
        .features = features(link, camera, persists, lamp),
        .sensor_pid = camera->is_card ? 0 : camera->sensor.pid,
        .reset_reason = reset_reason(),
        .transport = link->transport,
        .firmware = esp_app_get_description()->version,
        .board = board->name,
        .sdk = IDF_VER,
        .sensor = camera->is_card ? "test card" : camera->sensor.name,
        .name = CONFIG_CAMGW_CAMERA_NAME[0] != '\0' ? CONFIG_CAMGW_CAMERA_NAME : NULL,
    };
#if CONFIG_CAMGW_LINK_UART
    id->baud_base = CONFIG_CAMGW_UART_BASE_BAUD;
    id->baud_max = CONFIG_CAMGW_UART_BAUD_MAX;
#endif
    esp_efuse_mac_get_default(id->mac);
}
