#include "rig.h"

#include "clock.h"
#include "settings.h"
#include "testcard.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    const char *hostcam;
    char folder[64], pictures[96], link[96], stats[96];
    uint8_t *picture[RIG_PICTURES];
    size_t size[RIG_PICTURES];
    pid_t pid;
} rig;

static bool draw_pictures(void)
{
    static struct settings settings;
    static struct testcard card;
    struct options o = {.width = 640, .height = 480, .quality = 12, .sensor = "OV2640", .seed = 7};
    settings_init(&settings, &o);
    struct camlink_config_item item;
    testcard_init(&card, &settings, &o);
    for (int i = 0; i < RIG_PICTURES; i++) {
        /* Three of about 8 kB, the rest of about 25 kB. Size is the first setting. */
        settings_set(&settings, 0, i < 3 ? 320 << 16 | 240 : 640 << 16 | 480, false, &item);
        struct shot shot = {.data = malloc(SHOT_MAX), .quality = 12};
        if (shot.data == NULL || !testcard_shoot(&card, &shot)) {
            return false;
        }
        rig.picture[i] = shot.data;
        rig.size[i] = shot.len;
        char path[160];
        snprintf(path, sizeof path, "%s/%d.%s", rig.pictures, i, i % 2 != 0 ? "jpg" : "JPEG");
        FILE *f = fopen(path, "we");
        if (f == NULL || fwrite(shot.data, 1, shot.len, f) != shot.len || fclose(f) != 0) {
            return false;
        }
    }
    return true;
}

bool rig_setup(const char *hostcam)
{
    rig.hostcam = hostcam;
    strcpy(rig.folder, "/tmp/hostcam-test-XXXXXX");
    if (mkdtemp(rig.folder) == NULL) {
        return false;
    }
    snprintf(rig.pictures, sizeof rig.pictures, "%s/pictures", rig.folder);
    snprintf(rig.link, sizeof rig.link, "%s/cam.tty", rig.folder);
    snprintf(rig.stats, sizeof rig.stats, "%s/stats.json", rig.folder);
    return mkdir(rig.pictures, 0700) == 0 && draw_pictures();
}

void rig_teardown(void)
{
    for (int i = 0; i < RIG_PICTURES; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/%d.%s", rig.pictures, i, i % 2 != 0 ? "jpg" : "JPEG");
        (void)unlink(path);
        free(rig.picture[i]);
    }
    (void)unlink(rig.stats);
    (void)rmdir(rig.pictures);
    if (rmdir(rig.folder) != 0) {
        printf("    %s is not empty: hostcam left something behind\n", rig.folder);
    }
}

const char *rig_pictures(void)
{
    return rig.pictures;
}

const char *rig_link(void)
{
    return rig.link;
}

pid_t rig_pid(void)
{
    return rig.pid;
}

const uint8_t *rig_picture(int i, size_t *n)
{
    *n = rig.size[i];
    return rig.picture[i];
}

int rig_which(const uint8_t *p, size_t n)
{
    for (int i = 0; i < RIG_PICTURES; i++) {
        if (n == rig.size[i] && memcmp(p, rig.picture[i], n) == 0) {
            return i;
        }
    }
    return -1;
}

bool rig_known_frame(struct host *h, void *ctx)
{
    (void)ctx;
    return rig_which(h->frame, h->frame_len) >= 0;
}

/* ---- The process -------------------------------------------------------------------------- */

static void become(const char *arguments, int in, int out)
{
    static char line[512];
    char *argv[48] = {(char *)(uintptr_t)rig.hostcam, (char *)(uintptr_t) "--link", rig.link,
                      (char *)(uintptr_t) "--stats-file", rig.stats};
    size_t n = 5;
    snprintf(line, sizeof line, "%s", arguments);
    for (char *word = strtok(line, " "); word != NULL && n < 47; word = strtok(NULL, " ")) {
        argv[n++] = word;
    }
    int log = open("/dev/null", O_WRONLY);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    if (getenv("HOSTCAM_TEST_LOG") == NULL) {
        dup2(log, STDERR_FILENO);
    }
    execv(rig.hostcam, argv);
    _exit(127);
}

bool rig_start_with(const char *arguments, int fd)
{
    int out[2];
    if (pipe2(out, O_CLOEXEC) != 0) {
        return false;
    }
    (void)unlink(rig.stats);
    rig.pid = fork();
    if (rig.pid == 0) {
        become(arguments, fd, out[1]);
    }
    close(out[1]);
    /* The port is there once the first line is. */
    char line[256];
    FILE *f = fdopen(out[0], "r");
    bool said = f != NULL && fgets(line, sizeof line, f) != NULL && strncmp(line, "hostcam: /dev/", 14) == 0;
    if (f != NULL) {
        fclose(f);
    }
    return said;
}

bool rig_start(const char *arguments)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool started = null >= 0 && rig_start_with(arguments, null);
    if (null >= 0) {
        close(null);
    }
    return started;
}

void rig_signal(int signal)
{
    kill(rig.pid, signal);
}

int rig_wait(unsigned ms)
{
    int status;
    for (uint64_t end = clock_ns() + ms * NS_PER_MS; clock_ns() < end;) {
        if (waitpid(rig.pid, &status, WNOHANG) == rig.pid) {
            rig.pid = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        (void)poll(NULL, 0, 5);
    }
    return -1;
}

bool rig_stop(void)
{
    if (rig.pid == 0) {
        return false;
    }
    rig_signal(SIGTERM);
    int status = rig_wait(5000);
    if (rig.pid != 0) {
        rig_signal(SIGKILL);
        (void)rig_wait(1000);
    }
    return status == 0;
}

double rig_stat(const char *name)
{
    char text[4096], key[64];
    FILE *f = fopen(rig.stats, "re");
    if (f == NULL) {
        return -1;
    }
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(text, key);
    if (at == NULL) {
        return -1;
    }
    at += strlen(key);
    return strncmp(at, "true", 4) == 0 ? 1 : strncmp(at, "false", 5) == 0 ? 0 : strtod(at, NULL);
}

double rig_stat_fresh(const char *name)
{
    double was = rig_stat("uptime_s");
    for (int i = 0; i < 300 && rig_stat("uptime_s") <= was; i++) {
        (void)poll(NULL, 0, 10);
    }
    return rig_stat(name);
}

/* ---- Time --------------------------------------------------------------------------------- */

/* The second number of a schedstat: nanoseconds spent runnable and not running. */
static double waited_ms(const char *path)
{
    unsigned long long waited = 0;
    FILE *f = fopen(path, "re");
    if (f != NULL) {
        if (fscanf(f, "%*u %llu", &waited) != 1) {
            waited = 0;
        }
        fclose(f);
    }
    return (double)waited / 1e6;
}

/* What a hypervisor gave to others, of all processors. */
static double stolen_ms(void)
{
    unsigned long long ticks = 0;
    FILE *f = fopen("/proc/stat", "re");
    if (f != NULL) {
        if (fscanf(f, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &ticks) != 1) {
            ticks = 0;
        }
        fclose(f);
    }
    return (double)ticks * 1e3 / (double)sysconf(_SC_CLK_TCK);
}

double rig_delay_ms(void)
{
    char path[64];
    double sum = waited_ms("/proc/self/schedstat") + stolen_ms();
    snprintf(path, sizeof path, "/proc/%d/task", (int)rig.pid);
    DIR *tasks = opendir(path);
    for (struct dirent *e; tasks != NULL && (e = readdir(tasks)) != NULL;) {
        int thread = atoi(e->d_name);
        snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", (int)rig.pid, thread);
        sum += thread > 0 ? waited_ms(path) : 0;
    }
    if (tasks != NULL) {
        closedir(tasks);
    }
    return sum;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

double rig_line_share(struct host *h, uint32_t baud, unsigned tenths)
{
    double share[100] = {0};
    unsigned n = tenths < 1 ? 1 : tenths < 100 ? tenths : 100;
    for (unsigned i = 0; i < n; i++) {
        uint64_t bytes = h->bytes, start = h->read_ns;
        (void)host_run(h, 100, NULL);
        share[i] = (double)(h->bytes - bytes) * 1e9 / (double)(h->read_ns - start) / (baud / 10.0);
    }
    qsort(share, n, sizeof share[0], by_value);
    printf("    %u baud: %.2f %% of the wire, tenths of seconds from %.2f to %.2f %%\n", baud, 100 * share[n / 2],
           100 * share[0], 100 * share[n - 1]);
    return share[n / 2];
}

bool rig_linked(const char *arguments, uint32_t baud, struct host *h)
{
    if (!rig_start(arguments) || !host_open(h, rig.link, 115200) || !host_link(h, 2000)) {
        return false;
    }
    h->on_frame = rig_known_frame;
    return baud == 0 || host_climb(h, baud);
}
