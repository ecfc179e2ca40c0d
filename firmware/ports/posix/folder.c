#include "folder.h"

#include "jpeg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_picture(const struct dirent *e)
{
    const char *dot = strrchr(e->d_name, '.');
    return dot != NULL && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

bool folder_open(struct folder *f, const char *path)
{
    *f = (struct folder){.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    int n = f->dir < 0 ? -1 : scandirat(f->dir, ".", &f->entries, is_picture, by_name);
    if (n <= 0) {
        fprintf(stderr, "hostcam: --frames %s: %s\n", path, n < 0 ? strerror(errno) : "no *.jpg or *.jpeg there");
        folder_close(f);
        return false;
    }
    f->count = (size_t)n;
    return true;
}

void folder_close(struct folder *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->entries[i]);
    }
    free(f->entries);
    if (f->dir >= 0) {
        close(f->dir);
    }
    *f = (struct folder){.dir = -1};
}

/* False: an error, or more than SHOT_MAX bytes. */
static bool read_all(int fd, struct shot *shot)
{
    for (shot->len = 0; shot->len < SHOT_MAX;) {
        ssize_t n = read(fd, shot->data + shot->len, SHOT_MAX - shot->len);
        if (n <= 0) {
            return n == 0;
        }
        shot->len += (size_t)n;
    }
    uint8_t more;
    return read(fd, &more, 1) == 0;
}

bool folder_shoot(struct folder *f, struct shot *shot)
{
    const char *name = f->entries[f->next]->d_name;
    f->next = (f->next + 1) % f->count;
    int fd = openat(f->dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool whole = read_all(fd, shot) && shot->len > 0;
    close(fd);
    struct jpeg_walk walk = {0};
    if (whole) {
        (void)jpeg_walk(&walk, shot->data, shot->len);
    }
    shot->width = walk.width;
    shot->height = walk.height;
    return whole;
}
