/* SPDX-License-Identifier: MIT */
#include "monitor/kernel_log.h"

#include "base/num.h"
#include "check/kernlog.h"
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD_MAX (8192 + 1) /* [bytes] as long as the kernel makes one, and a NUL */

/* The host with one line as its log: check/kernlog.h has the patterns. */
struct log_host {
	struct host host;
	struct host_ops ops;
	struct host *below;
	char line[RECORD_MAX];
	size_t len;
};

static ssize_t line_read(struct host *h, const char *path, void *buf, size_t size)
{
	const struct log_host *l = (const struct log_host *)h;

	if (strcmp(path, HOST_KERNEL_LOG) != 0)
		return l->below->ops->read(l->below, path, buf, size);
	const size_t n = l->len < size ? l->len : size;
	memcpy(buf, l->line, n);
	return (ssize_t)n;
}

static ssize_t link_read(struct host *h, const char *path, char *buf, size_t size)
{
	const struct log_host *l = (const struct log_host *)h;

	return l->below->ops->link(l->below, path, buf, size);
}

/*
 * Of the causes that are an event of a device; NULL of others. Corrected errors are in the counters
 * of sysfs, and come by the thousand.
 */
static const char *cause_name(enum kernlog_cause cause)
{
	static const char *const names[KERNLOG_CAUSES] = {
		[KERNLOG_COLD] = "lost",
		[KERNLOG_LOST] = "lost",
		[KERNLOG_RESET] = "reset",
		[KERNLOG_SLOT] = "link",
		[KERNLOG_FAILED] = "failed",
		[KERNLOG_WAITS] = "unbind-waits",
		[KERNLOG_ERRORS] = "aer",
		[KERNLOG_INVALIDATION] = "iommu",
	};

	return cause < KERNLOG_CAUSES ? names[cause] : NULL;
}

static void event_tell(const struct kernlog_event *found, const struct monitor_teller *to)
{
	char evidence[1024];

	if (!cause_name(found->cause))
		return;
	(void)snprintf(
		evidence, sizeof(evidence), "the kernel's log: %.*s", (int)found->len, found->line);
	monitor_tell(to, &(struct monitor_event){.kind = MONITOR_FAULT,
				 .has_address = found->has_address,
				 .address = found->address,
				 .cause = cause_name(found->cause),
				 .evidence = evidence});
}

/* "6,1234,5678,-;text" becomes "<6>text", without the lines of details that may follow. */
static bool line_make(struct log_host *l, const char *record, size_t len)
{
	const char *text = memchr(record, ';', len);
	unsigned level;

	if (!text || sscanf(record, "%u,", &level) != 1)
		return false;
	text++;
	const size_t left = len - (size_t)(text - record);
	l->len = (size_t)snprintf(l->line, sizeof(l->line), "<%u>%.*s\n", level,
		(int)strcspn(text, "\n") < (int)left ? (int)strcspn(text, "\n") : (int)left, text);
	return l->len < sizeof(l->line);
}

void kernel_log_record(
	const char *record, size_t len, struct host *h, const struct monitor_teller *to)
{
	struct log_host l = {.ops = {.read = line_read, .link = link_read}, .below = h};
	struct kernlog log;

	l.host.ops = &l.ops;
	if (!line_make(&l, record, len) || kernlog_read(&l.host, &log) < 0)
		return;
	for (size_t i = 0; i < log.event_count; i++)
		event_tell(&log.events[i], to);
	kernlog_fini(&log);
}

int kernel_log_open(void)
{
	int fd = open(HOST_KERNEL_LOG, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	(void)lseek(fd, 0, SEEK_END);
	return fd;
}

int kernel_log_take(int fd, struct host *h, const struct monitor_teller *to)
{
	char record[RECORD_MAX];
	ssize_t got;

	while ((got = read(fd, record, sizeof(record) - 1)) > 0) {
		record[got] = '\0';
		kernel_log_record(record, (size_t)got, h, to);
	}
	return got == 0 || errno == EAGAIN || errno == EINTR ? 0 : -errno;
}
