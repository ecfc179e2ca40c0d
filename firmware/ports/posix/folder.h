/* The JPEG files of a folder, in name order, again and again. */
#ifndef HOSTCAM_FOLDER_H
#define HOSTCAM_FOLDER_H

#include "shot.h"

#include <dirent.h>
#include <stdbool.h>

struct folder {
    int dir; /* descriptor of the folder */
    struct dirent **entries;
    size_t count, next;
};

/* False: no such folder or no picture in it; said on stderr. */
bool folder_open(struct folder *f, const char *path);
void folder_close(struct folder *f);

/* Reads the next file, byte for byte. False: it cannot be read, is empty or larger than SHOT_MAX. */
bool folder_shoot(struct folder *f, struct shot *shot);

#endif
