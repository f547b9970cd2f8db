/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_KERNEL_LOG_H
#define MONITOR_KERNEL_LOG_H

#include "monitor/event.h"

struct host;

/*
 * Lines of the kernel's log about faults of devices, as they come. Where an ordinary user may not
 * read the log, there are none.
 */

/* Return: a descriptor that does not block, at the end of the log; -errno. */
int kernel_log_open(void);

/* Tells of the lines that have come. Return: 0, -EPIPE the kernel has dropped some, -errno. */
int kernel_log_take(int fd, struct host *h, const struct monitor_teller *to);

/* The same of one record of /dev/kmsg: "LEVEL,NUMBER,TIME,FLAGS;TEXT". */
void kernel_log_record(
	const char *record, size_t len, struct host *h, const struct monitor_teller *to);

#endif
