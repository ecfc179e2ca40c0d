/* The report of --stats and --stats-file. */
#ifndef HOSTCAM_STATS_H
#define HOSTCAM_STATS_H

#include "device.h"

#include <stdbool.h>

/* To standard output and the file, as the options want it. */
void stats_report(const struct device *d, uint64_t started_ns);

#endif
