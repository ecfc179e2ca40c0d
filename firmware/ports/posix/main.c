/* hostcam: the camera firmware's core on a pseudo terminal. */
#include "clock.h"
#include "device.h"
#include "options.h"
#include "pty.h"
#include "stats.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* A terminal that is closed keeps nothing for its reader: time for the last picture to be read. */
#define LINGER_NS (500 * NS_PER_MS)

static struct options options;
static struct counters counters;
static struct pty pty;
static struct device device; /* too large for a stack */

/* Blocks the signals we act upon, before any thread exists, and returns a descriptor that tells of them. */
static int listen_for_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    const int ours[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        sigaddset(&set, ours[i]);
    }
    signal(SIGPIPE, SIG_IGN);
    return sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC) : -1;
}

/* False: time to go. */
static bool obey(int signals)
{
    struct signalfd_siginfo s;
    while (read(signals, &s, sizeof s) == (ssize_t)sizeof s) {
        switch (s.ssi_signo) {
        case SIGHUP:
            device_reboot(&device, BOOT_PIN);
            break;
        case SIGUSR1:
            device_unplug(&device);
            break;
        case SIGUSR2:
            device_plug(&device);
            break;
        default:
            return false;
        }
    }
    return true;
}

/* Sleeps until something stirs or due_ns. True: there are signals. */
static bool wait_for(int signals, uint64_t due_ns)
{
    struct pollfd on[] = {
        {.fd = signals, .events = POLLIN},
        {.fd = device.camera.ready, .events = POLLIN},
        {.fd = pty.watch, .events = POLLIN},
        /* While nobody has it open, its hang-up would wake us without end. */
        {.fd = pty.open ? pty.master : -1, .events = (short)(POLLIN | (wire_blocked(&device.wire) ? POLLOUT : 0))},
    };
    uint64_t now = clock_ns();
    uint64_t left = due_ns > now ? due_ns - now : 0;
    struct timespec t = {.tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S)};
    if (ppoll(on, sizeof on / sizeof on[0], due_ns == CLOCK_NEVER ? NULL : &t, NULL) <= 0) {
        return false;
    }
    if ((on[1].revents & POLLIN) != 0) {
        camera_seen(&device.camera);
    }
    return (on[0].revents & POLLIN) != 0;
}

/* With --exit-after-count: true when all has been said for a while. */
static bool said_all(uint64_t now, uint64_t *since)
{
    if (!options.exit_after_count || !device_finished(&device) || !wire_delivered(&device.wire)) {
        return false;
    }
    *since = *since != 0 ? *since : now;
    return now - *since >= LINGER_NS;
}

static void run(int signals)
{
    uint64_t started = clock_ns(), report_due = started + NS_PER_S, finished = 0;
    for (;;) {
        uint64_t now = clock_ns();
        device_service(&device, now);
        if (now >= report_due) {
            report_due += NS_PER_S;
            stats_report(&device, started);
        }
        if (said_all(now, &finished)) {
            break;
        }
        uint64_t due = clock_earlier(device_due_ns(&device, now), report_due);
        if (wait_for(signals, due) && !obey(signals)) {
            break;
        }
    }
    stats_report(&device, started);
}

int main(int argc, char **argv)
{
    switch (options_parse(&options, argc, argv)) {
    case PARSED_HELP:
        return 0;
    case PARSED_BAD:
        return 2;
    case PARSED_RUN:
        break;
    }
    int signals = listen_for_signals();
    /* The default slack of 50 us would be 15 bytes at the highest rate. */
    prctl(PR_SET_TIMERSLACK, 10000ul, 0ul, 0ul, 0ul);
    if (signals < 0 || !pty_init(&pty, options.link)) {
        return 1;
    }
    if (!device_start(&device, &options, &counters, &pty)) {
        pty_free(&pty);
        return 1;
    }
    printf("hostcam: %s (link %s) seed %" PRIu64 "\n", pty.path, options.link != NULL ? options.link : "none",
           options.seed);
    fflush(stdout);
    run(signals);
    device_stop(&device);
    pty_free(&pty);
    close(signals);
    return 0;
}
