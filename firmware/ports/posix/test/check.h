/* The smallest test harness: a case fails on its first broken check and says where. */
#ifndef HOSTCAM_TEST_CHECK_H
#define HOSTCAM_TEST_CHECK_H

#include <stdbool.h>
#include <stdio.h>

struct test_case {
    const char *name;
    bool (*run)(void);
};

/* Each ends with a NULL name. */
extern const struct test_case unit_cases[], wire_cases[], rate_cases[], fault_cases[], port_cases[];

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("    %s:%d: %s: ", __FILE__, __LINE__, #condition);                                                 \
            printf(__VA_ARGS__);                                                                                       \
            putchar('\n');                                                                                             \
            return false;                                                                                              \
        }                                                                                                              \
    } while (0)

#endif
