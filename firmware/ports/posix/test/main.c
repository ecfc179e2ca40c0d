/* Runs every case, or those whose name contains the second argument. */
#include "check.h"
#include "clock.h"
#include "rig.h"

#include <signal.h>
#include <string.h>

int main(int argc, char **argv)
{
    static const struct test_case *const all[] = {unit_cases, wire_cases, rate_cases, fault_cases, port_cases};
    if (argc < 2 || !rig_setup(argv[1])) {
        fputs("usage: hostcam-test HOSTCAM [NAME]\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    int passed = 0, failed = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        for (const struct test_case *t = all[i]; t->name != NULL; t++) {
            if (argc > 2 && strstr(t->name, argv[2]) == NULL) {
                continue;
            }
            uint64_t start = clock_ns();
            bool good = t->run();
            if (rig_pid() != 0) {
                good = rig_stop() && good;
            }
            printf("%s %s (%.1f s)\n", good ? "ok    " : "FAILED", t->name, (double)(clock_ns() - start) / 1e9);
            passed += good ? 1 : 0;
            failed += good ? 0 : 1;
        }
    }
    rig_teardown();
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
