/* The files that must name the same boards as the table. They are read as text: no tool of the SDK is needed. */
#include "check.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT "firmware/ports/esp-idf/"

static char *kconfig, *workflow, *platformio;

static bool in_table(const char *name)
{
    for (size_t i = 0; i < board_count; i++) {
        if (strcmp(board_table[i].board.name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Does text have this line? Frees the line. */
static bool has(const char *text, char *line)
{
    bool found = text_has_line(text, line);
    free(line);
    return found;
}

static void the_files_are_there(void)
{
    CHECK(kconfig != NULL, "no Kconfig.projbuild");
    CHECK(workflow != NULL, "no workflow");
    CHECK(platformio != NULL, "no platformio.ini");
}

static void kconfig_offers_every_board(void)
{
    for (size_t i = 0; i < board_count; i++) {
        const struct board_entry *e = &board_table[i];
        const char *name = e->board.name;
        char *config = text_make("        config CAMGW_BOARD_%s\n", name);
        const char *at = strstr(kconfig, config);
        size_t length = strlen(config);
        free(config);
        CHECK(at != NULL, "Kconfig has no CAMGW_BOARD_%s", name);

        const char *target = e->chip == BOARD_ESP32 ? "ESP32" : e->chip == BOARD_ESP32S2 ? "ESP32S2" : "ESP32S3";
        char *depends = text_make("            depends on IDF_TARGET_%s\n", target);
        const char *label_end = strchr(at + length, '\n');
        CHECK(label_end != NULL && strncmp(label_end + 1, depends, strlen(depends)) == 0,
              "CAMGW_BOARD_%s is not for %s alone", name, target);
        free(depends);

        CHECK(has(kconfig, text_make("default \"%s\" if CAMGW_BOARD_%s", name, name)), "CAMGW_BOARD_NAME lacks %s",
              name);
    }
}

static void the_table_has_every_board_of_kconfig(void)
{
    size_t found = 0;
    for (const char *p = strstr(kconfig, "        config CAMGW_BOARD_"); p != NULL;
         p = strstr(p + 1, "        config CAMGW_BOARD_")) {
        char name[64];
        CHECK(sscanf(p, " config CAMGW_BOARD_%63s", name) == 1, "a board without a name");
        CHECK(in_table(name) || strcmp(name, "CUSTOM") == 0, "the table has no %s", name);
        found++;
    }
    CHECK(found == board_count + 1, "Kconfig has %zu boards, the table %zu and CUSTOM", found, board_count);
}

static void every_board_has_its_defaults(void)
{
    for (size_t i = 0; i < board_count; i++) {
        const struct board_entry *e = &board_table[i];
        char *lower = text_lower(e->board.name), *path = text_make(PORT "boards/%s.defaults", lower);
        char *text = text_of(path);
        CHECK(text != NULL, "no %s", path);
        CHECK(has(text, text_make("CONFIG_IDF_TARGET=\"%s\"", chip_name(e->chip))), "%s: wrong chip", path);
        CHECK(has(text, text_make("CONFIG_CAMGW_BOARD_%s=y", e->board.name)), "%s: wrong board", path);
        CHECK(text_has_line(text, "# CONFIG_SPIRAM is not set") == (e->psram == BOARD_RAM_NONE), "%s: PSRAM", path);
        char *chip_path = text_make(PORT "sdkconfig.defaults.%s", chip_name(e->chip));
        char *chip = text_of(chip_path);
        CHECK(chip != NULL, "no %s", chip_path);
        char *size = text_make("CONFIG_ESPTOOLPY_FLASHSIZE_%dMB=y", e->flash_mib);
        CHECK(text_has_line(strstr(text, "FLASHSIZE") != NULL ? text : chip, size), "%s: not %s", path, size);
        free(size);
        free(chip);
        free(chip_path);
        free(text);
        free(path);
        free(lower);
    }
}

static void every_defaults_file_has_its_board(void)
{
    char *path = text_make("%s/" PORT "boards", repository);
    DIR *dir = opendir(path);
    CHECK(dir != NULL, "no %s", path);
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        if (d->d_name[0] == '.') {
            continue;
        }
        bool known = false;
        for (size_t i = 0; i < board_count && !known; i++) {
            char *lower = text_lower(board_table[i].board.name), *file = text_make("%s.defaults", lower);
            known = strcmp(file, d->d_name) == 0;
            free(file);
            free(lower);
        }
        CHECK(known, "boards/%s belongs to no board", d->d_name);
    }
    closedir(dir);
    free(path);
}

static void every_board_is_built(void)
{
    for (size_t i = 0; i < board_count; i++) {
        char *lower = text_lower(board_table[i].board.name);
        CHECK(has(workflow, text_make("- %s", lower)), "the workflow does not build %s", lower);
        CHECK(has(platformio, text_make("custom_board = %s", lower)), "platformio.ini has no environment for %s",
              lower);
        free(lower);
    }
}

/* Where every partition lies: no overlap, apps on 64 KiB, nothing behind the end of the flash. */
static void partitions_fit(void)
{
    static const struct {
        const char *path;
        unsigned end;
    } tables[] = {{PORT "partitions_4mb.csv", 4u << 20}, {PORT "partitions_8mb.csv", 8u << 20}};
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        char *text = text_of(tables[t].path);
        CHECK(text != NULL, "no %s", tables[t].path);
        unsigned next = 0x9000, apps = 0, first_app = 0, app_size = 0;
        char *rest = text;
        for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
            char name[32], type[8];
            unsigned offset, size;
            if (line[0] == '#' || line[0] == '\0') {
                continue;
            }
            CHECK(sscanf(line, " %31[^,], %7[^,], %*[^,], %x, %x", name, type, &offset, &size) == 4, "%s: %s",
                  tables[t].path, line);
            CHECK(offset >= next, "%s: %s overlaps", tables[t].path, name);
            next = offset + size;
            CHECK(next <= tables[t].end, "%s: %s lies behind the flash", tables[t].path, name);
            if (strcmp(type, "app") == 0) {
                CHECK(offset % 0x10000 == 0, "%s: %s is not on 64 KiB", tables[t].path, name);
                if (apps++ == 0) {
                    first_app = offset;
                    app_size = size;
                }
                CHECK(size == app_size, "%s: an update would not fit the other slot", tables[t].path);
            }
        }
        CHECK(apps == 2 && first_app == 0x10000, "%s: %u slots, the first at %x", tables[t].path, apps, first_app);
        free(text);
    }
}

void files_suite(void)
{
    kconfig = text_of(PORT "main/Kconfig.projbuild");
    workflow = text_of(".github/workflows/firmware.yml");
    platformio = text_of(PORT "platformio.ini");
    RUN(the_files_are_there);
    if (kconfig != NULL && workflow != NULL && platformio != NULL) {
        RUN(kconfig_offers_every_board);
        RUN(the_table_has_every_board_of_kconfig);
        RUN(every_board_has_its_defaults);
        RUN(every_defaults_file_has_its_board);
        RUN(every_board_is_built);
        RUN(partitions_fit);
    }
    free(kconfig);
    free(workflow);
    free(platformio);
}
