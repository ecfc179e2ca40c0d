/*
 * Checks for tests. A failed check reports itself, fails the running test and returns from the function it stands in,
 * which must be void.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdint.h>

typedef void (*check_test)(void);

/* Runs one test, prints its name and outcome. */
void check_run(const char *name, check_test test);
/* Fails the running test. */
void check_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define RUN(test) check_run(#test, test)

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            check_fail(__FILE__, __LINE__, "%s", #condition);                                                          \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

#define CHECK_EQ(got, want)                                                                                            \
    do {                                                                                                               \
        long long check_got = (long long)(got), check_want = (long long)(want);                                        \
        if (check_got != check_want) {                                                                                 \
            check_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #got, check_got, check_want);                       \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

#define CHECK_TEXT(got, want)                                                                                          \
    do {                                                                                                               \
        const char *check_got = (got), *check_want = (want);                                                           \
        if (strcmp(check_got, check_want) != 0) {                                                                      \
            check_fail(__FILE__, __LINE__, "%s is\n%s\nnot\n%s", #got, check_got, check_want);                         \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

/* The suites, one per file. */
void codec_suite(void);
void decoder_suite(void);
void assembler_suite(void);
void vector_suite(void);
void mailbox_suite(void);
void link_suite(void);
void lease_suite(void);
void pictures_suite(void);
void rate_suite(void);
void rate_control_suite(void);
void pace_suite(void);
void requests_suite(void);
void log_suite(void);
void line_suite(void);

#endif
