#include "check.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *owned(void *p)
{
    if (p == NULL) {
        perror("check_boards");
        exit(2);
    }
    return p;
}

char *text_make(const char *format, ...)
{
    char *out;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&out, format, args);
    va_end(args);
    return owned(n < 0 ? NULL : out);
}

char *text_of(const char *path)
{
    char *full = text_make("%s/%s", repository, path);
    FILE *f = fopen(full, "r");
    free(full);
    if (f == NULL) {
        return NULL;
    }
    size_t size = 0, room = 4096;
    char *text = owned(malloc(room));
    size_t n;
    while ((n = fread(text + size, 1, room - size - 1, f)) > 0) {
        size += n;
        if (room - size < 2) {
            text = owned(realloc(text, room *= 2));
        }
    }
    text[size] = '\0';
    fclose(f);
    return text;
}

char *text_lower(const char *name)
{
    char *lower = owned(strdup(name));
    for (char *p = lower; *p != '\0'; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    return lower;
}

bool text_has_line(const char *text, const char *line)
{
    size_t n = strlen(line);
    for (const char *p = strstr(text, line); p != NULL; p = strstr(p + 1, line)) {
        const char *start = p;
        while (start > text && start[-1] == ' ') {
            start--;
        }
        const char *end = p + n;
        while (*end == ' ') {
            end++;
        }
        if ((start == text || start[-1] == '\n') && (*end == '\n' || *end == '\0')) {
            return true;
        }
    }
    return false;
}
