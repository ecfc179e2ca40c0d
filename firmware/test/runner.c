/* Runs every suite, then every golden vector of the folder given. */
#define _POSIX_C_SOURCE 200809L

#include "check.h"
#include "events_text.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* The tests share one run; the core under test has no state of its own. */
static struct {
    int passed, failed;
    bool failing;
} run;

static void report(const char *name)
{
    printf("%s %s\n", run.failing ? "FAIL" : "ok  ", name);
    fflush(stdout);
    if (run.failing) {
        run.failed++;
    } else {
        run.passed++;
    }
}

void check_fail(const char *file, int line, const char *format, ...)
{
    run.failing = true;
    va_list args;
    va_start(args, format);
    printf("%s:%d: ", file, line);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

void check_run(const char *name, check_test test)
{
    run.failing = false;
    test();
    report(name);
}

static int is_vector(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 4 && strcmp(entry->d_name + n - 4, ".txt") == 0;
}

static void run_vector(const char *folder, const char *file, FILE *nowhere)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    run.failing = !events_vector(path, nowhere, stdout);
    report(path);
}

static bool run_vectors(const char *folder)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, is_vector, alphasort);
    FILE *nowhere = fopen("/dev/null", "w");
    if (n < 0 || nowhere == NULL) {
        perror(folder);
        return false;
    }
    for (int i = 0; i < n; i++) {
        run_vector(folder, entries[i]->d_name, nowhere);
        free(entries[i]);
    }
    free(entries);
    fclose(nowhere);
    return true;
}

int main(int argc, char **argv)
{
    codec_suite();
    decoder_suite();
    assembler_suite();
    vector_suite();
    mailbox_suite();
    link_suite();
    lease_suite();
    pictures_suite();
    rate_suite();
    rate_control_suite();
    pace_suite();
    requests_suite();
    log_suite();
    line_suite();
    bool vectors = argc < 2 || run_vectors(argv[1]);
    printf("%d passed, %d failed\n", run.passed, run.failed);
    return vectors && run.failed == 0 ? 0 : 1;
}
