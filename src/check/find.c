/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "check/rule.h"
#include "pci/class.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FINDINGS_MAX 4096 /* a snapshot may contain anything; nobody reads more */

/* Makes room for one more element. Return: NULL without memory; the case has failed then. */
static void *list_grow(struct check_case *c, void *array, size_t count, size_t size)
{
	if (count && !is_pow2(count))
		return array;
	void *p = reallocarray(array, count ? 2 * count : 1, size);
	if (!p)
		c->failed = -ENOMEM;
	return p;
}

void check_found(
	struct check_case *c, enum check_severity s, const char *object, const char *fmt, ...)
{
	struct check_report *r = c->report;
	struct check_finding *f = &c->spare;
	char text[512];
	va_list ap;

	c->spoke = true;
	if (r->count < FINDINGS_MAX) {
		void *list = list_grow(c, r->list, r->count, sizeof(*r->list));
		if (list) {
			r->list = list;
			f = &r->list[r->count++];
		}
	}
	if (c->device && !c->named && s == CHECK_FAIL)
		s = CHECK_WARN;
	*f = (struct check_finding){.rule = c->rule, .severity = s};
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	file_escape(f->text, sizeof(f->text), text);
	file_escape(f->object, sizeof(f->object), object);
	c->last = f;
}

void check_seen(struct check_case *c, const char *path, const char *value)
{
	file_escape(c->last->path, sizeof(c->last->path), path);
	file_escape(c->last->value, sizeof(c->last->value), value);
}

void check_fix(struct check_case *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	file_escape(c->last->fix, sizeof(c->last->fix), text);
}

void check_blind(struct check_case *c, const char *path, int error)
{
	struct check_report *r = c->report;

	c->spoke = true;
	if (r->blind_count == FINDINGS_MAX)
		return;
	void *list = list_grow(c, r->blind, r->blind_count, sizeof(*r->blind));
	if (!list)
		return;
	r->blind = list;
	struct check_blind *b = &r->blind[r->blind_count++];
	*b = (struct check_blind){.rule = c->rule, .error = error};
	file_escape(b->object, sizeof(b->object), c->device ? c->address : "host");
	file_escape(b->path, sizeof(b->path), path);
}

const char *check_attribute_path(
	const struct check_case *c, const char *attr, char *buf, size_t size)
{
	if (pci_device_path(c->device->address, attr, buf, size) < 0)
		buf[0] = '\0';
	return buf;
}

int check_attribute(struct check_case *c, const char *attr, char *buf, size_t size)
{
	char path[FILE_PATH_MAX];

	check_attribute_path(c, attr, path, sizeof(path));
	int r = host_read_text(c->host, path, buf, size);
	if (r < 0)
		buf[0] = '\0';
	if (r < 0 && r != -ENOENT)
		check_blind(c, path, r);
	return r;
}

bool check_flag_set(struct check_case *c, const char *path)
{
	char text[16];

	return host_read_text(c->host, path, text, sizeof(text)) > 0 &&
	       (text[0] == 'Y' || text[0] == 'y' || text[0] == '1');
}

bool check_exists(struct host *h, const char *path)
{
	char target[FILE_PATH_MAX];
	ssize_t n = h->ops->link(h, path, target, sizeof(target));

	return n >= 0 || n == -EINVAL || n == -EACCES;
}

bool check_kernel_since(struct check_case *c, unsigned major, unsigned minor)
{
	char release[128];
	unsigned a, b;

	return host_read_text(c->host, "/proc/sys/kernel/osrelease", release, sizeof(release)) >
		       0 &&
	       sscanf(release, "%u.%u", &a, &b) == 2 && (a > major || (a == major && b >= minor));
}

size_t check_count_ids(const struct check_case *c, unsigned vendor, unsigned device)
{
	size_t n = 0;

	for (size_t i = 0; i < c->device_count; i++)
		n += c->devices[i].vendor == vendor && c->devices[i].device == device;
	return n;
}

const struct pci_device *check_find(const struct check_case *c, struct pci_address a)
{
	size_t low = 0, high = c->device_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int n = pci_address_compare(c->devices[mid].address, a);

		if (n == 0)
			return &c->devices[mid];
		if (n < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* The line "NAME<tabs>: VALUE" of the first processor. */
static const char *cpu_line(char *text, const char *name, char *buf, size_t size)
{
	const char *line = strstr(text, name);
	const char *value = line ? strchr(line, ':') : NULL;

	(void)snprintf(buf, size, " %.*s ", value ? (int)strcspn(value + 1, "\n") : 0,
		value ? value + 1 : "");
	return buf;
}

struct check_cpu check_cpu_read(struct check_case *c)
{
	char text[8192], line[4096]; /* the first processor is enough, and cheap on a large host */
	ssize_t n = c->host->ops->read(c->host, "/proc/cpuinfo", text, sizeof(text) - 1);

	if (n <= 0)
		return (struct check_cpu){0};
	text[n] = '\0';
	struct check_cpu cpu = {.known = true};
	cpu_line(text, "vendor_id", line, sizeof(line));
	cpu.intel = strstr(line, "GenuineIntel");
	cpu.amd = strstr(line, "AuthenticAMD") || strstr(line, "HygonGenuine");
	cpu_line(text, "flags", line, sizeof(line));
	cpu.has_virtualisation = strstr(line, " vmx ") || strstr(line, " svm ");
	cpu.is_guest = strstr(line, " hypervisor ");
	return cpu;
}

/* With remapping, the interrupt chips are called IR-PCI-MSI or IR-IO-APIC. */
bool check_remaps_interrupts(struct check_case *c)
{
	cleanup_free char *text = NULL;

	return host_read_all(c->host, "/proc/interrupts", &text) >= 0 && strstr(text, "IR-");
}

const char *check_class_text(const struct pci_device *d, char *buf, size_t size)
{
	const char *name = pci_class_name(d->class);
	bool vowel = strchr("AEIOaeio", name[0]) || strncmp(name, "SMBus", 5) == 0;

	(void)snprintf(buf, size, "%s %s", vowel ? "an" : "a", name);
	return buf;
}
