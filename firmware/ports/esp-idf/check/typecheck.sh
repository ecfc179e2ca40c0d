#!/bin/sh
# Compiles every .c of the port against the real headers of one ESP-IDF release, syntax only, warnings are errors.
#
#   sh typecheck.sh IDF=DIR CAMERA=DIR TINYUSB=DIR ESP_TINYUSB=DIR ESP_JPEG=DIR NEWLIB=DIR \
#       SDKCONFIG=DIR TARGET=esp32|esp32s2|esp32s3
#
# IDF          a checkout of espressif/esp-idf
# CAMERA       a checkout of espressif/esp32-camera
# TINYUSB      a checkout of hathach/tinyusb
# ESP_TINYUSB  device/esp_tinyusb of espressif/esp-usb
# ESP_JPEG     esp_jpeg of espressif/idf-extra-components, which esp32-camera includes
# NEWLIB       newlib's libc/include, of the toolchain's version (branch esp-4.3.0 of espressif/newlib-esp32)
# SDKCONFIG    the directory of an sdkconfig.h for TARGET, as idf.py leaves it in build/config
#
# clang has no Xtensa front end: a 32-bit x86 stands in, with the macros Xtensa's compiler defines. Types are as
# wide and as aligned as there, but for int32_t, which is long there: it is so here as well.
# Last seen clean: the versions in ../README.md or docs/design.md of this project.
set -eu
CLANG=${CLANG:-clang}
for arg in "$@"; do
    case $arg in
    IDF=* | CAMERA=* | TINYUSB=* | ESP_TINYUSB=* | NEWLIB=* | ESP_JPEG=* | SDKCONFIG=* | TARGET=*) eval "${arg%%=*}=\${arg#*=}" ;;
    *) echo "typecheck: what is $arg? See the head of $0" >&2 && exit 2 ;;
    esac
done
: "${ESP_JPEG:?}" "${IDF:?}" "${CAMERA:?}" "${TINYUSB:?}" "${ESP_TINYUSB:?}" "${NEWLIB:?}" "${SDKCONFIG:?}" "${TARGET:?}"
here=$(cd "$(dirname "$0")" && pwd)
main=$here/../main
core=$here/../../../core

set -- -fsyntax-only -std=gnu17 --target=i686-unknown-none-elf -nostdlibinc -ffreestanding \
    -Wall -Wextra -Werror -Wno-atomic-alignment -Wno-builtin-macro-redefined \
    -D__XTENSA__ -D__xtensa__ -DESP_PLATFORM -D_GNU_SOURCE -D__DYNAMIC_REENT__ -D_POSIX_READER_WRITER_LOCKS \
    -DSOC_MMU_PAGE_SIZE=0x10000 -DIDF_VER='"check"' \
    -U__INT32_TYPE__ '-D__INT32_TYPE__=long int' -U__UINT32_TYPE__ '-D__UINT32_TYPE__=long unsigned int' \
    -I"$core/include" -I"$main" -isystem "$SDKCONFIG"
for dir in newlib/platform_include \
    esp_libc/platform_include \
    freertos/config/include freertos/config/include/freertos freertos/config/xtensa/include \
    freertos/FreeRTOS-Kernel/include freertos/FreeRTOS-Kernel/portable/xtensa/include \
    freertos/FreeRTOS-Kernel/portable/xtensa/include/freertos \
    freertos/esp_additions/include freertos/esp_additions/include/freertos freertos/esp_additions/arch/xtensa/include \
    xtensa/include xtensa/$TARGET/include xtensa/deprecated_include \
    esp_common/include esp_system/include esp_rom/include esp_rom/include/$TARGET esp_rom/$TARGET \
    esp_rom/$TARGET/include esp_rom/$TARGET/include/$TARGET \
    esp_hw_support/include esp_hw_support/include/soc esp_hw_support/port/$TARGET esp_hw_support/port/$TARGET/include \
    esp_timer/include heap/include log/include nvs_flash/include esp_partition/include esp_app_format/include \
    esp_bootloader_format/include soc/include soc/$TARGET soc/$TARGET/include soc/$TARGET/register \
    hal/include hal/$TARGET/include hal/platform_port/include esp_ringbuf/include esp_mm/include esp_psram/include \
    efuse/include efuse/$TARGET/include bootloader_support/include \
    driver/include driver/deprecated driver/i2c/include driver/$TARGET/include driver/uart/include \
    driver/usb_serial_jtag/include driver/ledc/include driver/gpio/include driver/temperature_sensor/include \
    esp_driver_uart/include esp_driver_usb_serial_jtag/include esp_driver_ledc/include esp_driver_gpio/include \
    esp_driver_tsens/include esp_driver_i2c/include esp_pm/include; do
    if [ -d "$IDF/components/$dir" ]; then
        set -- "$@" -isystem "$IDF/components/$dir"
    fi
done
set -- "$@" -isystem "$CAMERA/driver/include" -isystem "$CAMERA/conversions/include" \
    -isystem "$ESP_JPEG/include" -isystem "$ESP_TINYUSB/include" -isystem "$TINYUSB/src" -isystem "$NEWLIB"

case $TARGET in # as TinyUSB's own component does
esp32s2) set -- "$@" -DCFG_TUSB_MCU=OPT_MCU_ESP32S2 ;;
esp32s3) set -- "$@" -DCFG_TUSB_MCU=OPT_MCU_ESP32S3 ;;
esac

failed=0
for file in "$main"/*.c; do
    if "$CLANG" "$@" "$file"; then
        echo "ok   $(basename "$file")"
    else
        echo "FAIL $(basename "$file")"
        failed=1
    fi
done
exit $failed
