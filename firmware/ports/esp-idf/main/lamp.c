#include "lamp.h"

#include "driver/ledc.h"

/* Timer and channel 0 make the sensor's clock (sensor.c). 5 kHz is above what a rolling shutter shows as bands. */
#define LAMP_TIMER LEDC_TIMER_1
#define LAMP_CHANNEL LEDC_CHANNEL_1
enum lamp_frequency { LAMP_HZ = 5000 };

bool lamp_open(const struct board *board)
{
    if (board->lamp < 0) {
        return false;
    }
    const ledc_timer_config_t timer = {
        .speed_mode = LEDC_LOW_SPEED_MODE,
        .duty_resolution = LEDC_TIMER_8_BIT,
        .timer_num = LAMP_TIMER,
        .freq_hz = LAMP_HZ,
        .clk_cfg = LEDC_AUTO_CLK,
    };
    const ledc_channel_config_t channel = {
        .gpio_num = board->lamp,
        .speed_mode = LEDC_LOW_SPEED_MODE,
        .channel = LAMP_CHANNEL,
        .timer_sel = LAMP_TIMER,
        .duty = 0,
        .flags.output_invert = board->lamp_active_low,
    };
    return ledc_timer_config(&timer) == ESP_OK && ledc_channel_config(&channel) == ESP_OK;
}

void lamp_set(uint8_t duty)
{
    /* 255 of 256 is not quite on; 256 is. */
    ledc_set_duty(LEDC_LOW_SPEED_MODE, LAMP_CHANNEL, duty == UINT8_MAX ? 256u : duty);
    ledc_update_duty(LEDC_LOW_SPEED_MODE, LAMP_CHANNEL);
}
