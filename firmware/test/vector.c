/* Golden vector files: `key: value` lines, an empty line, then bytes in hex, `# comments` and `silence`. */
#include "events_text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum vector_limit { LINE_SIZE = 16384, EXPECT_MAX = 512 };

struct vector {
    const char *path;
    FILE *out, *err;
    int line_no;
    bool named, bad;
    uint32_t max_frame;
    char *expect[EXPECT_MAX];
    size_t expected, told;
};

static void complain(struct vector *v, const char *what, const char *detail)
{
    fprintf(v->err, "%s:%d: %s: %s\n", v->path, v->line_no, what, detail);
    v->bad = true;
}

/* The text after prefix, or NULL. */
static const char *after(const char *s, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

static bool is_event(const char *s)
{
    static const char *const names[] = {"packet ", "text ", "frame ", "reject ", "lost ", "end "};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (after(s, names[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static void read_expect(struct vector *v, const char *event)
{
    if (!is_event(event)) {
        complain(v, "unknown event", event);
    } else if (v->expected == EXPECT_MAX) {
        complain(v, "too many events", event);
    } else {
        size_t n = strlen(event) + 1;
        char *copy = malloc(n);
        if (copy == NULL) {
            abort();
        }
        memcpy(copy, event, n);
        v->expect[v->expected++] = copy;
    }
}

static void read_max_frame(struct vector *v, const char *value)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(value, &end, 10);
    if (end == value || *end != '\0' || errno != 0 || n > UINT32_MAX) {
        complain(v, "not a number", value);
    }
    v->max_frame = (uint32_t)n;
}

static void read_key(struct vector *v, const char *line)
{
    const char *value;
    if ((value = after(line, "expect: ")) != NULL) {
        read_expect(v, value);
    } else if ((value = after(line, "max-frame: ")) != NULL) {
        read_max_frame(v, value);
    } else if ((value = after(line, "name: ")) != NULL) {
        const char *file = strrchr(v->path, '/');
        file = file != NULL ? file + 1 : v->path;
        size_t n = strlen(value);
        v->named = true;
        if (strncmp(file, value, n) != 0 || strcmp(file + n, ".txt") != 0) {
            complain(v, "the name is not the file's", value);
        }
    } else if (after(line, "rule: ") == NULL && after(line, "comment: ") == NULL) {
        complain(v, "unknown key", line);
    }
}

static void compare(void *ctx, const char *line)
{
    struct vector *v = ctx;
    fprintf(v->out, "%s\n", line);
    const char *want = v->told < v->expected ? v->expect[v->told] : "(nothing)";
    v->told++;
    if (strcmp(line, want) != 0) {
        fprintf(v->err, "%s: event %zu:\n- %s\n+ %s\n", v->path, v->told, want, line);
        v->bad = true;
    }
}

static int nibble(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

static void read_bytes(struct vector *v, struct events *e, const char *line)
{
    uint8_t bytes[LINE_SIZE / 2];
    size_t n = 0;
    for (const char *c = line; *c != '\0'; c++) {
        if (*c == ' ') {
            continue;
        }
        int high = nibble(c[0]);
        int low = high >= 0 ? nibble(c[1]) : -1;
        if (low < 0) {
            complain(v, "not hex", c);
            return;
        }
        bytes[n++] = (uint8_t)(high << 4 | low);
        c++;
    }
    events_feed(e, bytes, n);
}

/* One line without its end; false at the end of the file. */
static bool next_line(struct vector *v, FILE *f, char line[LINE_SIZE])
{
    if (fgets(line, LINE_SIZE, f) == NULL) {
        return false;
    }
    v->line_no++;
    size_t n = strcspn(line, "\n");
    if (line[n] == '\0' && n == LINE_SIZE - 1) {
        complain(v, "line too long", "");
    }
    line[n] = '\0';
    return true;
}

static void run(struct vector *v, FILE *f)
{
    char line[LINE_SIZE];
    while (next_line(v, f, line) && line[0] != '\0') {
        read_key(v, line);
    }
    if (!v->named) {
        complain(v, "missing key", "name");
    }
    struct events *e = malloc(sizeof *e);
    if (e == NULL) {
        abort();
    }
    events_init(e, v->max_frame, compare, v);
    while (next_line(v, f, line)) {
        if (strcmp(line, "silence") == 0) {
            events_silence(e);
        } else if (line[0] != '#') {
            read_bytes(v, e, line);
        }
    }
    events_end(e);
    free(e);
    for (size_t i = v->told; i < v->expected; i++) {
        fprintf(v->err, "%s: event %zu:\n- %s\n+ (nothing)\n", v->path, i + 1, v->expect[i]);
        v->bad = true;
    }
}

bool events_vector_read(const char *path, FILE *in, FILE *out, FILE *err)
{
    struct vector v = {.path = path, .out = out, .err = err, .max_frame = EVENTS_MAX_FRAME};
    run(&v, in);
    for (size_t i = 0; i < v.expected; i++) {
        free(v.expect[i]);
    }
    return !v.bad;
}

bool events_vector(const char *path, FILE *out, FILE *err)
{
    FILE *in = fopen(path, "r");
    if (in == NULL) {
        fprintf(err, "%s: %s\n", path, strerror(errno));
        return false;
    }
    bool good = events_vector_read(path, in, out, err);
    fclose(in);
    return good;
}
