/* Checks, and what the files here share. A failed check reports itself and returns from the test, which is void. */
#ifndef CHECK_H
#define CHECK_H

#include "boards.h"

#include <stdbool.h>
#include <stddef.h>

typedef void (*check_test)(void);

void check_run(const char *name, check_test test);
void check_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define RUN(test) check_run(#test, test)

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            check_fail(__FILE__, __LINE__, __VA_ARGS__);                                                               \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

void table_suite(void);
void files_suite(void);
void docs_suite(void);
void prepare_suite(void);

/* What is wrong with the pins of a board, in a buffer that the next call overwrites; NULL when nothing is. */
const char *board_fault(const struct board_entry *entry);

const char *chip_name(enum board_chip chip);

/* docs/boards.md with its tables made anew; write says whether to store it. True when it was right before. */
bool docs_update(bool write);

/* A file below the repository's root, ended by a zero; NULL when there is none. The caller frees it. */
char *text_of(const char *path);
/* printf into a string that the caller frees. */
char *text_make(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* name in lower case; the caller frees it. */
char *text_lower(const char *name);
/* Is there a line that is exactly this, spaces around it aside? */
bool text_has_line(const char *text, const char *line);

extern const char *repository; /* the root, as given on the command line */
extern const char *chosen_board;

extern const struct board_entry custom_table[];
extern const size_t custom_count;
const struct board *custom_selected(void);

#endif
