/* SPDX-License-Identifier: MIT */
#include "vmm/pass/count.h"

#include "base/clean.h"
#include "base/num.h"
#include "vmm/pass/device.h"
#include "vmm/vm.h"

#include <errno.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX MIB(4) /* a host of many processors and vectors; beyond it nothing is counted */

/* All of it, NUL-terminated. Return: NULL when it cannot be read. The caller frees it. */
static char *read_counts(int fd)
{
	size_t room = KIB(16), len = 0;
	char *text = malloc(room);

	while (text) {
		ssize_t n = pread(fd, text + len, room - len - 1, (off_t)len);
		if (n <= 0)
			break;
		len += (size_t)n;
		if (len < room / 2)
			continue;
		char *more = room < TEXT_MAX ? realloc(text, 2 * room) : NULL;
		if (!more) {
			free(text);
			return NULL;
		}
		text = more;
		room *= 2;
	}
	if (text)
		text[len] = '\0';
	return text;
}

/* The columns after "NN:", a number for each processor. */
static uint64_t sum_line(const char *line, const char *end)
{
	uint64_t sum = 0;
	const char *at = memchr(line, ':', (size_t)(end - line));

	for (at = at ? at + 1 : end; at < end;) {
		char *stop;
		unsigned long long n = strtoull(at, &stop, 10);
		if (stop == at || (*stop != ' ' && *stop != '\n'))
			break;
		sum += n;
		at = stop;
	}
	return sum;
}

/* The same, of the line in @text that @end is in. */
static uint64_t sum_before(const char *text, const char *end)
{
	const char *line = end;

	while (line > text && line[-1] != '\n')
		line--;
	return sum_line(line, end);
}

int pass_count_find(const char *text, const char *what, uint64_t *ret)
{
	const char *found = strstr(text, what);

	if (!found)
		return -ENOENT;
	*ret = sum_before(text, found);
	return 0;
}

int pass_count_next(
	const char **at, const char *kind, const char *name, unsigned *ret, uint64_t *ret_count)
{
	char before[16], after[PCI_ADDRESS_TEXT + 4];
	const char *found = *at;
	char *end;

	(void)snprintf(before, sizeof(before), "vfio-%s[", kind);
	(void)snprintf(after, sizeof(after), "](%s)", name);
	while ((found = strstr(found, before))) {
		unsigned long n = strtoul(found + strlen(before), &end, 10);
		if (strncmp(end, after, strlen(after)) == 0 && n <= UINT_MAX) {
			*ret = (unsigned)n;
			*ret_count = sum_before(*at, found);
			*at = end;
			return 0;
		}
		found = end;
	}
	return -ENOENT;
}

static uint64_t count_intx(const char *text, const char *name)
{
	char what[64];
	uint64_t count = 0;

	(void)snprintf(what, sizeof(what), "vfio-intx(%s)", name);
	(void)pass_count_find(text, what, &count);
	return count;
}

void pass_count_begin_intx(struct pass_dev *d)
{
	if (d->vm->interrupts_fd < 0)
		return;
	cleanup_free char *text = read_counts(d->vm->interrupts_fd);
	if (text)
		d->intx.first = count_intx(text, d->name);
}

static void take_intx(struct pass_dev *d)
{
	cleanup_free char *text = read_counts(d->vm->interrupts_fd);

	if (!text)
		return;
	uint64_t now = count_intx(text, d->name);
	d->intx.signals += now >= d->intx.first ? now - d->intx.first : 0;
	d->intx.first = now;
}

/* @used: which of the vectors the host may have counted for. */
static void take_vectors(struct pass_dev *d, const char *kind, struct func_vector *v,
	unsigned count, bool (*used)(const struct func_vector *))
{
	uint64_t signals;
	unsigned n = 0;

	while (n < count && !used(&v[n]))
		n++;
	cleanup_free char *text = n < count ? read_counts(d->vm->interrupts_fd) : NULL;
	const char *at = text;
	while (at && pass_count_next(&at, kind, d->name, &n, &signals) == 0)
		if (n < count && used(&v[n]))
			v[n].signals += signals;
}

static bool is_armed(const struct func_vector *v)
{
	return v->armed;
}

static bool has_eventfd(const struct func_vector *v)
{
	return v->eventfd >= 0;
}

void pass_count_take(struct pass_dev *d, uint32_t index)
{
	if (d->vm->interrupts_fd < 0)
		return;
	if (index == VFIO_PCI_INTX_IRQ_INDEX)
		take_intx(d);
	else if (index == VFIO_PCI_MSI_IRQ_INDEX)
		take_vectors(d, "msi", d->msi.vectors, d->msi.on, has_eventfd);
	else
		take_vectors(d, "msix", d->msix.guest.vectors, d->msix.guest.count, is_armed);
}
