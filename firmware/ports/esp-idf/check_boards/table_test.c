#include "check.h"

#include <stdint.h>
#include <string.h>

static void every_board_fits_its_chip(void)
{
    for (size_t i = 0; i < board_count; i++) {
        const char *fault = board_fault(&board_table[i]);
        CHECK(fault == NULL, "%s: %s", board_table[i].board.name, fault);
    }
}

static void there_are_at_least_fifteen(void)
{
    CHECK(board_count >= 15, "only %zu boards", board_count);
}

static void names_differ(void)
{
    for (size_t i = 0; i < board_count; i++) {
        for (size_t j = 0; j < i; j++) {
            CHECK(strcmp(board_table[i].board.name, board_table[j].board.name) != 0, "%s twice",
                  board_table[i].board.name);
        }
    }
}

static void every_board_has_its_source(void)
{
    for (size_t i = 0; i < board_count; i++) {
        const struct board_entry *e = &board_table[i];
        const char *commit = strrchr(e->source, ' ');
        CHECK(commit != NULL && strlen(commit + 1) == 12 && strspn(commit + 1, "0123456789abcdef") == 12,
              "%s: the source ends without a commit: %s", e->board.name, e->source);
        CHECK(e->maker != NULL && e->maker[0] != '\0', "%s: nobody made it", e->board.name);
        CHECK(e->flash_mib >= 4, "%s: %d MiB of flash hold no two images", e->board.name, e->flash_mib);
    }
}

static void selection_finds_each(void)
{
    for (size_t i = 0; i < board_count; i++) {
        chosen_board = board_table[i].board.name;
        CHECK(board_selected() == &board_table[i].board, "%s selects %s", chosen_board, board_selected()->name);
    }
}

static void a_custom_board_is_what_kconfig_says(void)
{
    CHECK(custom_count == board_count + 1, "%zu rows, not %zu", custom_count, board_count + 1);
    chosen_board = "CUSTOM";
    const struct board *b = custom_selected();
    CHECK(strcmp(b->name, "CUSTOM") == 0, "CUSTOM selects %s", b->name);
    CHECK(b->pwdn == 10 && b->reset == 11 && b->xclk == 12 && b->sda == 13 && b->scl == 14, "control pins mixed up");
    CHECK(b->vsync == 15 && b->href == 16 && b->pclk == 17 && b->lamp == 18, "sync pins mixed up");
    CHECK(b->lamp_active_low, "the lamp's sense is lost");
    for (int i = 0; i < 8; i++) {
        CHECK(b->d[i] == 20 + i, "d%d is %d", i, b->d[i]);
    }
    CHECK(b->uart_tx == 1 && b->uart_rx == 3, "UART0 of the ESP32 is at %d, %d", b->uart_tx, b->uart_rx);
}

/* The checker itself: each way to be wrong, put into a board that is right. */
static void faults_are_found(void)
{
    struct board_entry cam = {0}, s3 = {0};
    for (size_t i = 0; i < board_count; i++) {
        if (strcmp(board_table[i].board.name, "AI_THINKER") == 0) {
            cam = board_table[i];
        }
        if (strcmp(board_table[i].board.name, "XIAO_ESP32S3") == 0) {
            s3 = board_table[i];
        }
    }
    const struct {
        const struct board_entry *right;
        size_t offset; /* of the pin that becomes wrong */
        int8_t pin;
        const char *fault;
    } cases[] = {
        {&cam, offsetof(struct board, d) + 3, 22, "d3 and pclk share GPIO22"},
        {&cam, offsetof(struct board, lamp), 1, "lamp and uart_tx share GPIO1"},
        {&cam, offsetof(struct board, xclk), 34, "xclk: GPIO34 is input only"},
        {&cam, offsetof(struct board, pwdn), 39, "pwdn: GPIO39 is input only"},
        {&cam, offsetof(struct board, scl), 36, "scl: GPIO36 is input only"},
        {&cam, offsetof(struct board, reset), 9, "reset: GPIO9 belongs to flash"},
        {&cam, offsetof(struct board, d), 17, "d0: GPIO17 belongs to PSRAM"},
        {&cam, offsetof(struct board, vsync), 40, "vsync: esp32 has no GPIO40"},
        {&cam, offsetof(struct board, vsync), 24, "vsync: esp32 has no GPIO24"},
        {&cam, offsetof(struct board, href), -1, "href: esp32 has no GPIO-1"},
        {&s3, offsetof(struct board, href), 23, "href: esp32s3 has no GPIO23"},
        {&s3, offsetof(struct board, pclk), 35, "pclk: GPIO35 belongs to PSRAM"},
        {&s3, offsetof(struct board, pclk), 30, "pclk: GPIO30 belongs to flash"},
        {&s3, offsetof(struct board, d) + 7, 20, "d7: GPIO20 belongs to USB"},
    };
    CHECK(board_fault(&cam) == NULL && board_fault(&s3) == NULL, "the right boards are wrong");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct board_entry wrong = *cases[i].right;
        memcpy((char *)&wrong.board + cases[i].offset, &cases[i].pin, sizeof cases[i].pin);
        const char *fault = board_fault(&wrong);
        CHECK(fault != NULL, "nothing found for: %s", cases[i].fault);
        CHECK(strcmp(fault, cases[i].fault) == 0, "found \"%s\", not \"%s\"", fault, cases[i].fault);
    }
    struct board_entry bare = cam;
    bare.board.d[0] = 17;
    bare.psram = BOARD_RAM_NONE;
    CHECK(board_fault(&bare) == NULL, "GPIO17 is free without PSRAM");
}

void table_suite(void)
{
    RUN(every_board_fits_its_chip);
    RUN(there_are_at_least_fifteen);
    RUN(names_differ);
    RUN(every_board_has_its_source);
    RUN(selection_finds_each);
    RUN(a_custom_board_is_what_kconfig_says);
    RUN(faults_are_found);
}
