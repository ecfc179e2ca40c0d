#include "health.h"

#include "esp_heap_caps.h"
#include "esp_log.h"
#include "esp_system.h"
#include "soc/soc_caps.h"

#if SOC_TEMP_SENSOR_SUPPORTED
#include "driver/temperature_sensor.h"
#endif

enum health_limit { STACK_MIN = 512, TASKS = 4 };

#if SOC_TEMP_SENSOR_SUPPORTED
static temperature_sensor_handle_t thermometer;

void health_open(void)
{
    const temperature_sensor_config_t config = TEMPERATURE_SENSOR_CONFIG_DEFAULT(-10, 80);
    if (temperature_sensor_install(&config, &thermometer) != ESP_OK ||
        temperature_sensor_enable(thermometer) != ESP_OK) {
        thermometer = NULL;
    }
}

static int16_t temperature(void)
{
    float celsius;
    if (thermometer == NULL || temperature_sensor_get_celsius(thermometer, &celsius) != ESP_OK) {
        return INT16_MIN;
    }
    return (int16_t)(celsius * 10.0f);
}
#else
void health_open(void)
{
}

static int16_t temperature(void)
{
    return INT16_MIN; /* the ESP32's own is not calibrated */
}
#endif

void health_read(struct camlink_health *h)
{
    h->heap_free = (uint32_t)heap_caps_get_free_size(MALLOC_CAP_INTERNAL | MALLOC_CAP_8BIT);
    h->heap_min = (uint32_t)heap_caps_get_minimum_free_size(MALLOC_CAP_INTERNAL | MALLOC_CAP_8BIT);
    h->psram_free = (uint32_t)heap_caps_get_free_size(MALLOC_CAP_SPIRAM);
    h->temperature = temperature();
}

void health_check_stack(TaskHandle_t task)
{
    static TaskHandle_t warned[TASKS];
    if (task == NULL || uxTaskGetStackHighWaterMark(task) >= STACK_MIN) {
        return;
    }
    for (int i = 0; i < TASKS; i++) {
        if (warned[i] == task) {
            return;
        }
        if (warned[i] == NULL) {
            warned[i] = task;
            ESP_LOGW("health", "task %s has less than %d bytes of stack left", pcTaskGetName(task), STACK_MIN);
            return;
        }
    }
}
