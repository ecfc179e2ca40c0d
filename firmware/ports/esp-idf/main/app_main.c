/* Wires the parts together. Each is static: the firmware allocates at start or never. */
#include "boards.h"
#include "camera_task.h"
#include "console.h"
#include "device.h"
#include "health.h"
#include "identity.h"
#include "lamp.h"
#include "link.h"
#include "settings.h"

#include <stdlib.h>

static struct camera camera;
static struct device device;

static void wake_link(void)
{
    link_selected()->wake();
}

void app_main(void)
{
    const struct board *board = board_selected();
    console_install(wake_link);
    bool persists = settings_open();
    bool lamp = lamp_open(board);
    health_open();
    camera_open(&camera, board, lamp, wake_link);
    device_init(&device, board, link_selected(), &camera);
    identity_make(&device.identity, board, link_selected(), &camera, persists, lamp);
    if (!camera_start(&camera) || !device_start(&device)) {
        abort();
    }
}
