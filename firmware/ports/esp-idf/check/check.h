/*
 * Checks for the tests of the port. Every test runs in a process of its own, because the port's state is static as on
 * the chip: a test is a boot.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stddef.h>

void check_run(const char *name, void (*test)(void));
void check_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4), noreturn));

#define RUN(test) check_run(#test, test)

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            check_fail(__FILE__, __LINE__, "%s", #condition);                                                          \
        }                                                                                                              \
    } while (0)

#define CHECK_EQ(got, want)                                                                                            \
    do {                                                                                                               \
        long long check_got = (long long)(got), check_want = (long long)(want);                                        \
        if (check_got != check_want) {                                                                                 \
            check_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #got, check_got, check_want);                       \
        }                                                                                                              \
    } while (0)

#define CHECK_TEXT(got, want)                                                                                          \
    do {                                                                                                               \
        const char *check_got = (got), *check_want = (want);                                                           \
        if (strcmp(check_got, check_want) != 0) {                                                                      \
            check_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #got, check_got, check_want);                   \
        }                                                                                                              \
    } while (0)

/* The suites, one per file. */
void jpeg_suite(void);
void recovery_suite(void);
void testcard_suite(void);
void settings_suite(void);
void controls_suite(void);
void camera_suite(void);
void link_suite(void);
void console_suite(void);
void board_suite(void);
void device_suite(void);

#endif
