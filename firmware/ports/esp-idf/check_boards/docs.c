/* The two tables of docs/boards.md, made from the table in code. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE "docs/boards.md"
#define BEGIN "<!-- boards: made by make -C firmware/ports/esp-idf/check_boards docs -->\n"
#define END "<!-- /boards -->\n"

static const char *pin(int n)
{
    static char texts[8][12];
    static unsigned turn;
    char *text = texts[turn++ % 8];
    if (n < 0) {
        return "–";
    }
    snprintf(text, sizeof texts[0], "%d", n);
    return text;
}

static void pins(FILE *f)
{
    fputs("| `CAMGW_BOARD_` | chip | XCLK | SDA | SCL | D0..D7 (Y2..Y9) | VSYNC | HREF | PCLK | PWDN | RESET | lamp "
          "| UART TX, RX |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
          f);
    for (size_t i = 0; i < board_count; i++) {
        const struct board_entry *e = &board_table[i];
        const struct board *b = &e->board;
        fprintf(f, "| `%s` | %s | %s | %d | %d |", b->name, chip_name(e->chip), pin(b->xclk), b->sda, b->scl);
        for (int d = 0; d < 8; d++) {
            fprintf(f, " %d", b->d[d]);
        }
        fprintf(f, " | %d | %d | %d | %s | %s | %s%s | %d, %d |\n", b->vsync, b->href, b->pclk, pin(b->pwdn),
                pin(b->reset), pin(b->lamp), b->lamp_active_low ? " low" : "", b->uart_tx, b->uart_rx);
    }
}

static void origins(FILE *f)
{
    static const char *ram[] = {[BOARD_RAM_NONE] = "none", [BOARD_RAM_QUAD] = "quad", [BOARD_RAM_OCTAL] = "octal"};
    fputs("\n| `CAMGW_BOARD_` | sold as | flash | PSRAM | pins from |\n| --- | --- | --- | --- | --- |\n", f);
    for (size_t i = 0; i < board_count; i++) {
        const struct board_entry *e = &board_table[i];
        char repo[64], path[128], commit[32];
        if (sscanf(e->source, "%63s %127s %31s", repo, path, commit) != 3) {
            continue; /* every_board_has_its_source tells */
        }
        fprintf(f, "| `%s` | %s | %d MiB | %s | %s [%s](https://github.com/%s/blob/%s/%s) |\n", e->board.name, e->maker,
                e->flash_mib, ram[e->psram], repo, strrchr(path, '/') + 1, repo, commit, path);
    }
}

bool docs_update(bool write)
{
    char *page = text_of(PAGE);
    char *begin = page != NULL ? strstr(page, BEGIN) : NULL, *end = begin != NULL ? strstr(begin, END) : NULL;
    if (end == NULL) {
        fprintf(stderr, PAGE " has no place for the tables\n");
        free(page);
        return false;
    }
    char *fresh;
    size_t size;
    FILE *f = open_memstream(&fresh, &size);
    fwrite(page, 1, (size_t)(begin - page), f);
    fputs(BEGIN, f);
    pins(f);
    origins(f);
    fputs(end, f);
    fclose(f);

    bool right = strcmp(page, fresh) == 0;
    if (write && !right) {
        char *path = text_make("%s/" PAGE, repository);
        FILE *out = fopen(path, "w");
        if (out == NULL || fputs(fresh, out) < 0 || fclose(out) != 0) {
            perror(path);
            exit(2);
        }
        free(path);
    }
    free(fresh);
    free(page);
    return right;
}

static void the_page_says_what_the_code_says(void)
{
    CHECK(docs_update(false), PAGE " differs from boards.c: make -C firmware/ports/esp-idf/check_boards docs");
}

void docs_suite(void)
{
    RUN(the_page_says_what_the_code_says);
}
