#include "boards.h"

#include "sdkconfig.h"

#include <string.h>

/*
 * Where the pins were read from, each file at the commit named. Where two sources differ the vendor's own wins, and
 * the row says so.
 */
#define ARDUINO "espressif/arduino-esp32 libraries/ESP32/examples/Camera/CameraWebServer/camera_pins.h 376481048c93"
#define DRIVER "espressif/esp32-camera examples/camera_example/main/camera_pinout.h 2ac69a6f1749"
#define LILYGO_SERIES "Xinyuan-LilyGO/LilyGo-Camera-Series examples/sketch/select_pins.h 11b68cb2c743"
#define LILYGO_S3 "Xinyuan-LilyGO/LilyGo-Cam-ESP32S3 examples/MinimalCameraExample/utilities.h 40a1d649ce81"
#define TIMER_CAM "m5stack/TimerCam-arduino src/utility/Camera_Class.h ca24786e3cec"

/* UART0 where the chip's ROM has it. */
#define UART0_ESP32 .uart_tx = 1, .uart_rx = 3
#define UART0_S2_S3 .uart_tx = 43, .uart_rx = 44

#define NO_LAMP .lamp = -1

/*
 * "Arkhipenko": arkhipenko/esp32-mjpeg-multiclient-espcam-drivers, where eight of these boards come from,
 * PlatformIO/esp32-cam-rtos-pio/include/camera_pins.h b9451ebb6dff; each was compared with the source its row names.
 * A row of few lines can be held against a data sheet: the formatter keeps out.
 */
/* clang-format off */
const struct board_entry board_table[] = {
    /* camera_pins.h CAMERA_MODEL_WROVER_KIT; the same in esp32-camera's BOARD_WROVER_KIT and in Arkhipenko. */
    {
        .board = {.name = "WROVER_KIT", .pwdn = -1, .reset = -1, .xclk = 21, .sda = 26, .scl = 27,
                  .d = {4, 5, 18, 19, 36, 39, 34, 35}, .vsync = 25, .href = 23, .pclk = 22,
                  NO_LAMP, UART0_ESP32},
        .chip = BOARD_ESP32, .psram = BOARD_RAM_QUAD, .flash_mib = 4,
        .maker = "Espressif ESP-WROVER-KIT, Freenove ESP32-WROVER CAM",
        .source = ARDUINO,
    },
    /* camera_pins.h CAMERA_MODEL_ESP_EYE; Arkhipenko and CameraWebServer.ino pull GPIO13 and GPIO14 up before use. */
    {
        .board = {.name = "ESP_EYE", .pwdn = -1, .reset = -1, .xclk = 4, .sda = 18, .scl = 23,
                  .d = {34, 13, 14, 35, 39, 38, 37, 36}, .vsync = 5, .href = 27, .pclk = 25,
                  .lamp = 22, UART0_ESP32,
                  .needs = BOARD_NEEDS_PULL_UPS},
        .chip = BOARD_ESP32, .psram = BOARD_RAM_QUAD, .flash_mib = 4,
        .maker = "Espressif ESP-EYE",
        .source = ARDUINO,
    },
    /* camera_pins.h CAMERA_MODEL_M5STACK_PSRAM; the same in Arkhipenko. */
    {
        .board = {.name = "M5STACK_PSRAM", .pwdn = -1, .reset = 15, .xclk = 27, .sda = 25, .scl = 23,
                  .d = {32, 35, 34, 5, 39, 18, 36, 19}, .vsync = 22, .href = 26, .pclk = 21,
                  NO_LAMP, UART0_ESP32},
        .chip = BOARD_ESP32, .psram = BOARD_RAM_QUAD, .flash_mib = 4,
        .maker = "M5Stack Camera with PSRAM (model A)",
        .source = ARDUINO,
    },
    /* camera_pins.h CAMERA_MODEL_M5STACK_WIDE; the same in Arkhipenko, without the lamp. */
    {
        .board = {.name = "M5STACK_WIDE", .pwdn = -1, .reset = 15, .xclk = 27, .sda = 22, .scl = 23,
                  .d = {32, 35, 34, 5, 39, 18, 36, 19}, .vsync = 25, .href = 26, .pclk = 21,
                  .lamp = 2, UART0_ESP32},
        .chip = BOARD_ESP32, .psram = BOARD_RAM_QUAD, .flash_mib = 4,
        .maker = "M5Stack Camera F and X (wide), Camera model B",
        .source = ARDUINO,
    },
    /* camera_pins.h CAMERA_MODEL_AI_THINKER; the same in esp32-camera's BOARD_ESP32CAM_AITHINKER and Arkhipenko. */
    {
        .board = {.name = "AI_THINKER", .pwdn = 32, .reset = -1, .xclk = 0, .sda = 26, .scl = 27,
                  .d = {5, 18, 19, 21, 36, 39, 34, 35}, .vsync = 25, .href = 23, .pclk = 22,
                  .lamp = 4, UART0_ESP32,
                  .sdk_note = "GPIO0 is the camera clock: nothing else may be wired to it while it runs"},
        .chip = BOARD_ESP32, .psram = BOARD_RAM_QUAD, .flash_mib = 4,
        .maker = "AI-Thinker ESP32-CAM and its copies",
        .source = ARDUINO,
    },
    /*
     * select_pins.h CAMERA_MODEL_TTGO_T_JOURNAL and docs/T_Joranl.md: no power down, reset on 15. Arduino says power
     * down 0 and Arkhipenko 32, which is the board's button. GPIO17 carries data, so that there can be no PSRAM.
     */
    {
        .board = {.name = "TTGO_T_JOURNAL", .pwdn = -1, .reset = 15, .xclk = 27, .sda = 25, .scl = 23,
                  .d = {17, 35, 34, 5, 39, 18, 36, 19}, .vsync = 22, .href = 26, .pclk = 21,
                  NO_LAMP, UART0_ESP32,
                  .sdk_note = "no PSRAM: pictures up to CIF (400x296)"},
        .chip = BOARD_ESP32, .psram = BOARD_RAM_NONE, .flash_mib = 4,
        .maker = "LilyGO TTGO T-Journal",
        .source = LILYGO_SERIES,
    },
    /* select_pins.h CAMERA_MODEL_TTGO_T_CAMERA_PLUS; the same in Arkhipenko. */
    {
        .board = {.name = "TTGO_T_PLUS", .pwdn = -1, .reset = -1, .xclk = 4, .sda = 18, .scl = 23,
                  .d = {34, 13, 26, 35, 39, 38, 37, 36}, .vsync = 5, .href = 27, .pclk = 25,
                  NO_LAMP, UART0_ESP32},
        .chip = BOARD_ESP32, .psram = BOARD_RAM_QUAD, .flash_mib = 4,
        .maker = "LilyGO TTGO T-Camera Plus",
        .source = LILYGO_SERIES,
    },
    /*
     * select_pins.h CAMERA_MODEL_TTGO_T_CAMERA_V17, as in Arkhipenko. The older V0.5 is the same but for a power-down
     * line on GPIO26 (CAMERA_MODEL_TTGO_T_CAMERA_V05): build that one as CUSTOM.
     */
    {
        .board = {.name = "TTGO_T_PIR", .pwdn = -1, .reset = -1, .xclk = 32, .sda = 13, .scl = 12,
                  .d = {5, 14, 4, 15, 18, 23, 36, 39}, .vsync = 27, .href = 25, .pclk = 19,
                  NO_LAMP, UART0_ESP32},
        .chip = BOARD_ESP32, .psram = BOARD_RAM_QUAD, .flash_mib = 4,
        .maker = "LilyGO TTGO T-Camera V1.7 with PIR",
        .source = LILYGO_SERIES,
    },
    /* Camera_Class.h and Power_Class.h (lamp 2, hold 33); the same in m5stack/TimerCam-idf main/timer_cam_config.h. */
    {
        .board = {.name = "M5STACK_TIMER_CAM", .pwdn = -1, .reset = 15, .xclk = 27, .sda = 25, .scl = 23,
                  .d = {32, 35, 34, 5, 39, 18, 36, 19}, .vsync = 22, .href = 26, .pclk = 21,
                  .lamp = 2, UART0_ESP32,
                  .needs = BOARD_NEEDS_HOLD},
        .chip = BOARD_ESP32, .psram = BOARD_RAM_QUAD, .flash_mib = 4,
        .maker = "M5Stack Timer Camera F, X and OV3660",
        .source = TIMER_CAM,
    },
    /* camera_pins.h CAMERA_MODEL_M5STACK_UNITCAM. */
    {
        .board = {.name = "M5STACK_UNITCAM", .pwdn = -1, .reset = 15, .xclk = 27, .sda = 25, .scl = 23,
                  .d = {32, 35, 34, 5, 39, 18, 36, 19}, .vsync = 22, .href = 26, .pclk = 21,
                  NO_LAMP, UART0_ESP32,
                  .sdk_note = "no PSRAM: pictures up to CIF (400x296)"},
        .chip = BOARD_ESP32, .psram = BOARD_RAM_NONE, .flash_mib = 4,
        .maker = "M5Stack UnitCam",
        .source = ARDUINO,
    },
    /* camera_pins.h CAMERA_MODEL_M5STACK_ESP32CAM; GPIO17 carries data, so that there can be no PSRAM. */
    {
        .board = {.name = "M5STACK_ESP32CAM", .pwdn = -1, .reset = 15, .xclk = 27, .sda = 25, .scl = 23,
                  .d = {17, 35, 34, 5, 39, 18, 36, 19}, .vsync = 22, .href = 26, .pclk = 21,
                  NO_LAMP, UART0_ESP32,
                  .sdk_note = "no PSRAM: pictures up to CIF (400x296)"},
        .chip = BOARD_ESP32, .psram = BOARD_RAM_NONE, .flash_mib = 4,
        .maker = "M5Stack ESP32CAM without PSRAM",
        .source = ARDUINO,
    },
    /* camera_pins.h CAMERA_MODEL_ESP32S2_CAM_BOARD, the board's own sensor (USE_BOARD_HEADER 0). */
    {
        .board = {.name = "ESP32S2_CAM_BOARD", .pwdn = 1, .reset = 2, .xclk = 42, .sda = 41, .scl = 18,
                  .d = {14, 12, 5, 13, 15, 40, 39, 16}, .vsync = 38, .href = 4, .pclk = 3,
                  NO_LAMP, UART0_S2_S3},
        .chip = BOARD_ESP32S2, .psram = BOARD_RAM_QUAD, .flash_mib = 4,
        .maker = "Espressif ESP32-S2 camera board",
        .source = ARDUINO,
    },
    /* camera_pins.h CAMERA_MODEL_ESP32S3_EYE. */
    {
        .board = {.name = "ESP32S3_EYE", .pwdn = -1, .reset = -1, .xclk = 15, .sda = 4, .scl = 5,
                  .d = {11, 9, 8, 10, 12, 18, 17, 16}, .vsync = 6, .href = 7, .pclk = 13,
                  NO_LAMP, UART0_S2_S3,
                  .sdk_note = "UART0's pins lead to the display board: use the USB link"},
        .chip = BOARD_ESP32S3, .psram = BOARD_RAM_OCTAL, .flash_mib = 8,
        .maker = "Espressif ESP32-S3-EYE",
        .source = ARDUINO,
    },
    /*
     * camera_pinout.h BOARD_ESP32S3_GOOUUU; Freenove/Freenove_ESP32_S3_WROOM_Board 77363aad9d77 builds its
     * Sketch_07.1_CameraWebServer with CAMERA_MODEL_ESP32S3_EYE, which is the same map. esp32-camera's
     * BOARD_ESP32S3_WROOM adds power down 38, which is the SD card's CMD line on this board.
     */
    {
        .board = {.name = "FREENOVE_S3", .pwdn = -1, .reset = -1, .xclk = 15, .sda = 4, .scl = 5,
                  .d = {11, 9, 8, 10, 12, 18, 17, 16}, .vsync = 6, .href = 7, .pclk = 13,
                  NO_LAMP, UART0_S2_S3},
        .chip = BOARD_ESP32S3, .psram = BOARD_RAM_OCTAL, .flash_mib = 8,
        .maker = "Freenove ESP32-S3 WROOM CAM, GOOUUU ESP32-S3-CAM and their copies",
        .source = DRIVER,
    },
    /* camera_pins.h CAMERA_MODEL_XIAO_ESP32S3; the same in esp32-camera's BOARD_ESP32S3_XIAO. */
    {
        .board = {.name = "XIAO_ESP32S3", .pwdn = -1, .reset = -1, .xclk = 10, .sda = 40, .scl = 39,
                  .d = {15, 17, 18, 16, 14, 12, 11, 48}, .vsync = 38, .href = 47, .pclk = 13,
                  NO_LAMP, UART0_S2_S3},
        .chip = BOARD_ESP32S3, .psram = BOARD_RAM_OCTAL, .flash_mib = 8,
        .maker = "Seeed Studio XIAO ESP32S3 Sense",
        .source = ARDUINO,
    },
    /*
     * camera_pins.h CAMERA_MODEL_M5STACK_CAMS3_UNIT (reset 21); m5stack/UnitCamS3-UserDemo 27ed5f618ea3
     * firmware/src/hal/cam/camera_pins.h has the same but for the reset line, which it leaves alone, and
     * firmware/src/hal/hal.cpp lights the LED with a low level.
     */
    {
        .board = {.name = "M5STACK_CAMS3_UNIT", .pwdn = -1, .reset = 21, .xclk = 11, .sda = 17, .scl = 41,
                  .d = {6, 15, 16, 7, 5, 10, 4, 13}, .vsync = 42, .href = 18, .pclk = 12,
                  .lamp = 14, .lamp_active_low = true, UART0_S2_S3},
        .chip = BOARD_ESP32S3, .psram = BOARD_RAM_OCTAL, .flash_mib = 16,
        .maker = "M5Stack Unit CamS3",
        .source = ARDUINO,
    },
    /* utilities.h LILYGO_ESP32S3_CAM_PIR_VOICE; MinimalCameraExample.ino has the supplies of its sensor. */
    {
        .board = {.name = "LILYGO_T_CAMERA_S3", .pwdn = -1, .reset = 39, .xclk = 38, .sda = 5, .scl = 4,
                  .d = {14, 47, 48, 21, 13, 11, 10, 9}, .vsync = 8, .href = 18, .pclk = 12,
                  NO_LAMP, UART0_S2_S3,
                  .needs = BOARD_NEEDS_AXP2101},
        .chip = BOARD_ESP32S3, .psram = BOARD_RAM_OCTAL, .flash_mib = 16,
        .maker = "LilyGO T-Camera S3 V1.5 to V1.7",
        .source = LILYGO_S3,
    },
#ifdef CONFIG_CAMGW_BOARD_CUSTOM
    {
        .board = {.name = "CUSTOM",
                  .pwdn = CONFIG_CAMGW_PIN_PWDN,
                  .reset = CONFIG_CAMGW_PIN_RESET,
                  .xclk = CONFIG_CAMGW_PIN_XCLK,
                  .sda = CONFIG_CAMGW_PIN_SDA,
                  .scl = CONFIG_CAMGW_PIN_SCL,
                  .d = {CONFIG_CAMGW_PIN_D0, CONFIG_CAMGW_PIN_D1, CONFIG_CAMGW_PIN_D2, CONFIG_CAMGW_PIN_D3,
                        CONFIG_CAMGW_PIN_D4, CONFIG_CAMGW_PIN_D5, CONFIG_CAMGW_PIN_D6, CONFIG_CAMGW_PIN_D7},
                  .vsync = CONFIG_CAMGW_PIN_VSYNC,
                  .href = CONFIG_CAMGW_PIN_HREF,
                  .pclk = CONFIG_CAMGW_PIN_PCLK,
                  .lamp = CONFIG_CAMGW_PIN_LAMP,
#ifdef CONFIG_CAMGW_LAMP_ACTIVE_LOW
                  .lamp_active_low = true,
#endif
#ifdef CONFIG_IDF_TARGET_ESP32
                  UART0_ESP32},
        .chip = BOARD_ESP32,
#else
                  UART0_S2_S3},
#ifdef CONFIG_IDF_TARGET_ESP32S2
        .chip = BOARD_ESP32S2,
#else
        .chip = BOARD_ESP32S3,
#endif
#endif
        .maker = "a board of your own, pins by menuconfig",
        .source = "Kconfig",
    },
#endif
};
/* clang-format on */

const size_t board_count = sizeof board_table / sizeof board_table[0];

#if (defined CONFIG_CAMGW_BOARD_TTGO_T_JOURNAL || defined CONFIG_CAMGW_BOARD_M5STACK_ESP32CAM) && defined CONFIG_SPIRAM
#error "this board has the sensor on GPIO17, the clock of PSRAM: build it with its boards/*.defaults, or set SPIRAM=n"
#endif

const struct board *board_selected(void)
{
    for (size_t i = 0; i + 1 < board_count; i++) {
        if (strcmp(board_table[i].board.name, CONFIG_CAMGW_BOARD_NAME) == 0) {
            return &board_table[i].board;
        }
    }
    /* Kconfig offers no name that the table lacks (check_boards), so that it can only be the last one. */
    return &board_table[board_count - 1].board;
}
