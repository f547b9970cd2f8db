/* SPDX-License-Identifier: MIT */
#include "lease/audit.h"

#include "base/fd.h"
#include "base/file.h"
#include "bind/owner.h"
#include "control/line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define AUDIT_LINE_MAX 4096
#define TRIES 8 /* another keeper may have moved the file meanwhile */

static void put_time(struct control_line *l, const char *key, time_t t)
{
	char text[40];
	struct tm tm;

	if (localtime_r(&t, &tm) && strftime(text, sizeof(text), "%FT%T%z", &tm))
		control_line_text(l, key, text);
}

static void put_devices(struct control_line *l, const struct guest_spec *s)
{
	char address[PCI_ADDRESS_TEXT];

	control_line_open(l, "devices", '[');
	for (size_t i = 0; i < s->device_count; i++)
		control_line_text(l, NULL, pci_address_format(s->devices[i].address, address));
	control_line_close(l, ']');
}

static size_t line_make(const struct audit *a, char *buf, size_t size)
{
	struct control_line l;

	control_line_begin(&l, buf, size);
	put_time(&l, "time", time(NULL));
	control_line_text(&l, "event", a->why == LEASE_RUNS ? "lent" : "ended");
	control_line_text(&l, "lease", a->lease->spec->name);
	put_devices(&l, a->lease->spec);
	control_line_number(&l, "user", a->lease->user);
	if (a->lease->owner)
		control_line_number(&l, "owner", a->lease->owner);
	put_time(&l, "since", a->since);
	if (a->why != LEASE_RUNS)
		control_line_text(&l, "reason", lease_end_name(a->why));
	if (a->stuck)
		control_line_text(&l, "stuck", a->stuck);
	return control_line_end(&l);
}

static void folder_make(const char *path)
{
	char folder[FILE_PATH_MAX];

	if (file_path(folder, sizeof(folder), "%s", path) < 0)
		return;
	file_step_up(folder);
	(void)file_mkdirs(folder, 0755);
}

/* True if @path is still the file that @fd has open. */
static bool file_is_at(int fd, const char *path, struct stat *ret)
{
	struct stat at;

	return fstat(fd, ret) == 0 && stat(path, &at) == 0 && ret->st_ino == at.st_ino &&
	       ret->st_dev == at.st_dev;
}

/* Locked, and with room for a line. Return: descriptor, -errno. */
static int file_open(const char *path)
{
	char old[FILE_PATH_MAX];
	struct stat st;

	for (unsigned i = 0; i < TRIES; i++) {
		int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX) == 0 && file_is_at(fd, path, &st) &&
			st.st_size + AUDIT_LINE_MAX <= AUDIT_MAX)
			return fd;
		if (file_is_at(fd, path, &st) && st.st_size + AUDIT_LINE_MAX > AUDIT_MAX &&
			file_path(old, sizeof(old), "%s.1", path) == 0)
			(void)rename(path, old);
		(void)close(fd);
	}
	return -EAGAIN;
}

static int line_append(const char *log, const char *line, size_t len)
{
	if (!len)
		return -E2BIG;
	folder_make(log);
	int fd = file_open(log);
	if (fd < 0)
		return fd;
	int r = fd_write_full(fd, line, len);
	(void)close(fd);
	return r;
}

int audit_write(const struct audit *a)
{
	char line[AUDIT_LINE_MAX];

	if (!a->lease->log)
		return 0;
	return line_append(a->lease->log, line, line_make(a, line, sizeof(line)));
}

/* Return: how many. */
static size_t put_returned(struct control_line *l, const struct bind_report *done)
{
	char address[PCI_ADDRESS_TEXT];
	size_t count = 0;

	control_line_open(l, "devices", '[');
	for (size_t i = 0; i < done->returned_count; i++) {
		if (done->returned[i].left)
			continue;
		control_line_text(l, NULL, pci_address_format(done->returned[i].address, address));
		count++;
	}
	control_line_close(l, ']');
	return count;
}

int audit_write_restored(const char *log, int code, const struct bind_report *done)
{
	const size_t prefix = strlen(BIND_OWNER_LEASE);
	char line[AUDIT_LINE_MAX];
	struct control_line l;

	if (strncmp(done->owner.name, BIND_OWNER_LEASE, prefix) != 0)
		return 0;
	control_line_begin(&l, line, sizeof(line));
	put_time(&l, "time", time(NULL));
	control_line_text(&l, "event", "restored");
	control_line_text(&l, "lease", done->owner.name + prefix);
	if (!put_returned(&l, done) && code)
		return 0;
	return line_append(log, line, control_line_end(&l));
}
