/* The port as a thing that is plugged, opened, ignored and closed; and the command line. */
#include "camlink_device.h"
#include "check.h"
#include "clock.h"
#include "rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct host h;

static bool link_exists(void)
{
    struct stat s;
    return lstat(rig_link(), &s) == 0;
}

static bool hung_up(const struct host *x)
{
    return x->hung_up;
}

static bool some_frame(const struct host *x)
{
    return x->whole > 0;
}

static bool replug(const char *more, bool keeps_power)
{
    char line[256];
    snprintf(line, sizeof line, "--frames %s --fps 50 %s", rig_pictures(), more);
    CHECK(rig_linked(line, 0, &h), "%s", "link");
    uint32_t boot_id = h.boot_id;
    host_credit(&h, 5, 3000);
    (void)host_run(&h, 100, NULL);
    rig_signal(SIGUSR1);
    CHECK(host_run(&h, 1000, hung_up), "%s", "no hang-up");
    host_close(&h);
    CHECK(!link_exists(), "%s", "the link is still there");
    rig_signal(SIGUSR2);
    CHECK(host_open(&h, rig_link(), 115200) && host_link(&h, 4500), "%s", "no link after replug");
    CHECK((h.boot_id == boot_id) == keeps_power, "boot %08X, then %08X", boot_id, h.boot_id);
    h.on_frame = rig_known_frame;
    host_credit(&h, 5, 3000);
    CHECK(host_run(&h, 6000, some_frame) && h.wrong == 0, "%u whole, %u wrong", h.whole, h.wrong);
    CHECK(rig_stat_fresh("unplugs") == 1, "%.0f", rig_stat("unplugs"));
    host_close(&h);
    CHECK(rig_stop() && !link_exists(), "%s", "the link was left behind");
    return true;
}

static bool replug_uart(void)
{
    return replug("", true);
}

static bool replug_usb(void)
{
    return replug("--usb", false);
}

static bool usb_reboot_is_a_replug(void)
{
    CHECK(rig_linked("--usb", 0, &h), "%s", "link");
    uint32_t boot_id = h.boot_id;
    rig_signal(SIGHUP);
    CHECK(host_run(&h, 1000, hung_up), "%s", "no hang-up");
    host_close(&h);
    CHECK(host_open(&h, rig_link(), 115200) && host_link(&h, 2000) && h.boot_id != boot_id, "%s", "no new boot");
    return true;
}

static bool restarted_host_finds_nothing_old(void)
{
    char line[256];
    snprintf(line, sizeof line, "--frames %s --fps 50", rig_pictures());
    CHECK(rig_linked(line, 2000000, &h), "%s", "link");
    uint32_t boot_id = h.boot_id;
    host_credit(&h, 20, 500);
    CHECK(host_run(&h, 2000, some_frame), "%u", h.whole);
    host_close(&h);
    /* Nobody listens; the lease ends; what was said meanwhile is gone. */
    (void)poll(NULL, 0, 1200);
    CHECK(host_open(&h, rig_link(), 115200), "%s", "open");
    (void)host_run(&h, 20, NULL);
    CHECK(h.bytes < 250, "%llu old bytes", (unsigned long long)h.bytes);
    CHECK(host_link(&h, 1000) && h.boot_id == boot_id, "%s", "link");
    CHECK(rig_stat_fresh("bytes_lost") > 100, "%.0f", rig_stat("bytes_lost"));
    return true;
}

static bool usb_device_notices_a_close(void)
{
    CHECK(rig_linked("--usb", 0, &h), "%s", "link");
    host_credit(&h, 1000, 30000);
    (void)host_run(&h, 300, NULL);
    CHECK(rig_stat_fresh("sensor_awake") == 1, "%s", "asleep");
    host_close(&h);
    (void)poll(NULL, 0, 50);
    CHECK(rig_stat_fresh("linked") == 0 && rig_stat("sensor_awake") == 0 && rig_stat("port_open") == 0, "%s",
          "it did not");
    return true;
}

static bool reader_that_sleeps_loses_but_recovers(void)
{
    char line[256];
    snprintf(line, sizeof line, "--frames %s --fps 50", rig_pictures());
    CHECK(rig_linked(line, 2000000, &h), "%s", "link");
    host_credit(&h, 1000, 20000);
    CHECK(host_run(&h, 2000, some_frame), "%u", h.whole);
    (void)poll(NULL, 0, 1500);
    uint32_t whole = h.whole;
    (void)host_run(&h, 1500, NULL);
    CHECK(rig_stat_fresh("bytes_lost") > 50000, "%.0f", rig_stat("bytes_lost"));
    CHECK(h.whole > whole + 5 && h.wrong == 0, "%u more, %u wrong", h.whole - whole, h.wrong);
    return true;
}

static bool reader_that_naps_loses_nothing(void)
{
    char line[256];
    snprintf(line, sizeof line, "--frames %s --fps 50", rig_pictures());
    CHECK(rig_linked(line, 2000000, &h), "%s", "link");
    host_credit(&h, 1000, 20000);
    for (int i = 0; i < 10; i++) {
        (void)poll(NULL, 0, 150);
        (void)host_run(&h, 200, NULL);
    }
    host_credit(&h, 0, 3000);
    (void)host_run(&h, 300, NULL);
    CHECK(rig_stop(), "%s", "stop");
    /* One HELLO may have come before we were there. */
    CHECK(rig_stat("bytes_lost") < 200 && h.broken == 0 && h.whole > 10, "%.0f lost, %u broken", rig_stat("bytes_lost"),
          h.broken);
    return true;
}

static unsigned expected;

static bool expected_frames(const struct host *x)
{
    return x->whole >= expected;
}

static bool pictures_from_standard_input(void)
{
    int in[2];
    CHECK(pipe(in) == 0 && rig_start_with("--frames - --usb", in[0]), "%s", "start");
    close(in[0]);
    (void)fcntl(in[1], F_SETFD, FD_CLOEXEC);
    CHECK(host_open(&h, rig_link(), 115200) && host_link(&h, 1000), "%s", "link");
    h.on_frame = rig_known_frame;
    h.keep_credit = true;
    host_credit(&h, 2, 3000);
    (void)host_run(&h, 200, NULL);
    size_t n;
    for (int i = 0; i < 20; i++) {
        const uint8_t *p = rig_picture(i % RIG_PICTURES, &n);
        /* In two pieces, the second with junk behind. */
        CHECK(write(in[1], p, n / 3) == (ssize_t)(n / 3), "%d", i);
        (void)host_run(&h, 10, NULL);
        CHECK(write(in[1], p + n / 3, n - n / 3) == (ssize_t)(n - n / 3) &&
                  (i % 2 != 0 || write(in[1], "\r\n", 2) == 2),
              "%d", i);
        expected = (unsigned)i + 1;
        CHECK(host_run(&h, 2000, expected_frames) && rig_which(h.frame, h.frame_len) == i % RIG_PICTURES,
              "picture %d is not there", i);
    }
    CHECK(h.whole == 20 && h.wrong == 0 && rig_stat_fresh("camera_errors") == 0, "%u of 20", h.whole);
    /* A burst: the newest wins, and the producer is not held up. */
    for (int i = 0; i < 10; i++) {
        const uint8_t *p = rig_picture(i % RIG_PICTURES, &n);
        CHECK(write(in[1], p, n) == (ssize_t)n, "%d", i);
    }
    close(in[1]);
    (void)host_run(&h, 500, NULL);
    CHECK(rig_which(h.frame, h.frame_len) == 9 % RIG_PICTURES && h.wrong == 0, "%s", "the newest is missing");
    return true;
}

static bool picture_that_waited_for_the_first_viewer(void)
{
    int in[2];
    size_t n;
    CHECK(pipe(in) == 0 && rig_start_with("--frames - --usb", in[0]), "%s", "start");
    close(in[0]);
    for (int i = 0; i < 3; i++) {
        const uint8_t *p = rig_picture(i, &n);
        CHECK(write(in[1], p, n) == (ssize_t)n, "%d", i);
    }
    close(in[1]);
    (void)poll(NULL, 0, 100);
    CHECK(host_open(&h, rig_link(), 115200) && host_link(&h, 1000), "%s", "link");
    host_credit(&h, 2, 3000);
    CHECK(host_run(&h, 1000, some_frame) && rig_which(h.frame, h.frame_len) == 2, "%u", h.whole);
    return true;
}

static bool count_stops_the_camera(void)
{
    char line[256];
    snprintf(line, sizeof line, "--frames %s --fps 50 --count 7", rig_pictures());
    CHECK(rig_linked(line, 3000000, &h), "%s", "link");
    host_credit(&h, 100, 5000);
    (void)host_run(&h, 2000, NULL);
    CHECK(h.whole == 7 && h.begun == 7 && rig_stat_fresh("sent") == 7, "%u", h.whole);
    uint8_t ping[8] = {0};
    CHECK(host_ask(&h, CAMLINK_PING, ping, sizeof ping, CAMLINK_PONG), "%s", "the link is gone");
    host_close(&h);
    CHECK(rig_stop(), "%s", "stop");
    snprintf(line, sizeof line, "--frames %s --fps 50 --count 3 --exit-after-count", rig_pictures());
    CHECK(rig_linked(line, 3000000, &h), "%s", "link");
    host_credit(&h, 100, 5000);
    (void)host_run(&h, 3000, hung_up);
    CHECK(h.whole == 3 && rig_wait(1000) == 0 && !link_exists(), "%u", h.whole);
    return true;
}

static bool settings_change_the_card(void)
{
    int32_t value = 320 << 16 | 240;
    uint16_t flags;
    CHECK(rig_linked("--size 160x120", 2000000, &h), "%s", "link");
    h.on_frame = NULL;
    h.keep_credit = true;
    host_credit(&h, 2, 3000);
    CHECK(host_run(&h, 1000, some_frame) && h.width == 160 && h.height == 120, "%ux%u", h.width, h.height);
    CHECK(host_config(&h, 1, 0, &value, &flags) && flags == 0, "%x", flags);
    h.whole = 0;
    (void)host_run(&h, 500, NULL);
    CHECK(h.whole > 0 && h.width == 320 && h.height == 240, "%ux%u", h.width, h.height);
    value = 99;
    CHECK(host_config(&h, 2, 0, &value, &flags) && value == 63 && flags == CAMLINK_CONFIG_CLAMPED, "%d %x", value,
          flags);
    value = 1;
    CHECK(host_config(&h, 7, 0, &value, &flags) && flags == CAMLINK_CONFIG_UNSUPPORTED, "%x", flags);
    value = 300;
    CHECK(host_config(&h, 3, 0, &value, &flags) && value == 300, "%d", value);
    (void)host_run(&h, 300, NULL);
    h.whole = 0;
    (void)host_run(&h, 1600, NULL);
    CHECK(h.whole >= 4 && h.whole <= 6, "%u in 1.6 s at one each 0.3 s", h.whole);
    return true;
}

static bool status_of(const char *arguments, int want)
{
    (void)rig_start(arguments);
    int status = rig_wait(2000);
    CHECK(status == want, "%s: %d", arguments, status);
    return true;
}

static bool command_line(void)
{
    static const char *const bad[] = {"--fps 0",      "--fps x",   "--flip 2",        "--size 641x480",
                                      "--quality 64", "--mac 1:2", "--stall-every 1", "--unknown",
                                      "surplus",      "--count 0", "--seed -1",       "--exit-after-count",
                                      "--one-way 10", "--quality", "--drop nan",      "--reboot-every 0"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (!status_of(bad[i], 2)) {
            return false;
        }
    }
    return status_of("--help", 0) && status_of("--frames /nonexistent", 1) && status_of("--link /nonexistent/x", 1);
}

static bool foreign_link_is_left_alone(void)
{
    CHECK(rig_start(""), "%s", "start");
    CHECK(unlink(rig_link()) == 0 && symlink("/dev/null", rig_link()) == 0, "%s", "replace");
    CHECK(rig_stop() && link_exists(), "%s", "it removed what is not its own");
    CHECK(rig_start("") && host_open(&h, rig_link(), 115200) && host_link(&h, 1000), "%s",
          "it did not take the link over");
    host_close(&h);
    CHECK(rig_stop() && !link_exists(), "%s", "the link was left behind");
    return true;
}

const struct test_case port_cases[] = {
    {"port: a UART bridge is unplugged, the device runs on", replug_uart},
    {"port: a USB device is unplugged and starts anew", replug_usb},
    {"port: a USB device that reboots leaves the bus", usb_reboot_is_a_replug},
    {"port: a restarted host finds nothing old", restarted_host_finds_nothing_old},
    {"port: a USB device notices a close", usb_device_notices_a_close},
    {"port: a reader that sleeps loses, and recovers", reader_that_sleeps_loses_but_recovers},
    {"port: a reader that naps loses nothing", reader_that_naps_loses_nothing},
    {"port: pictures from standard input", pictures_from_standard_input},
    {"port: the newest picture waits for the first viewer", picture_that_waited_for_the_first_viewer},
    {"port: --count and --exit-after-count", count_stops_the_camera},
    {"port: settings change the card", settings_change_the_card},
    {"port: the command line", command_line},
    {"port: a link that is not ours is left alone", foreign_link_is_left_alone},
    {NULL, NULL},
};
