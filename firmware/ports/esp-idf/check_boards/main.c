#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *repository;
const char *chosen_board = "";

static int passed, failed;
static bool fails;

void check_run(const char *name, check_test test)
{
    fails = false;
    test();
    printf("%s %s\n", fails ? "FAIL" : "ok  ", name);
    if (fails) {
        failed++;
    } else {
        passed++;
    }
}

void check_fail(const char *file, int line, const char *format, ...)
{
    fails = true;
    fprintf(stderr, "%s:%d: ", file, line);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "--write") != 0)) {
        fprintf(stderr, "usage: check_boards REPOSITORY [--write]\n");
        return 2;
    }
    repository = argv[1];
    setvbuf(stdout, NULL, _IOLBF, 0); /* in order with the messages */
    if (argc == 3) {
        docs_update(true);
        return docs_update(false) ? 0 : 1;
    }
    table_suite();
    files_suite();
    docs_suite();
    prepare_suite();
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
