#include "check.h"

#include "fake.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned passed, failed;

void check_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    _exit(1);
}

void check_run(const char *name, void (*test)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        fake_reset();
        test();
        CHECK_EQ(fake.nesting, 0);
        fake_finish();
        /* exit and not _exit: the leak check hangs on it. */
        exit(0);
    }
    int status = -1;
    bool ok = child > 0 && waitpid(child, &status, 0) == child && status == 0;
    passed += ok ? 1 : 0;
    failed += ok ? 0 : 1;
    if (!ok) {
        printf("FAIL %s\n", name);
    }
}

int main(void)
{
    jpeg_suite();
    recovery_suite();
    testcard_suite();
    settings_suite();
    controls_suite();
    camera_suite();
    link_suite();
    console_suite();
    board_suite();
    device_suite();
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
