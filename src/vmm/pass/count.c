/* SPDX-License-Identifier: MIT */
#include "vmm/pass/count.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/num.h"
#include "vmm/pass/device.h"
#include "vmm/vm.h"

#define TEXT_MAX MIB(4) /* a host of many processors and vectors; beyond it nothing is counted */

/* All of it, NUL-terminated. Return: NULL when it cannot be read. The caller frees it. */
static char *read_all(int fd)
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

int pass_count_find(const char *text, const char *what, uint64_t *ret)
{
	const char *at = strstr(text, what);
	const char *line = at;

	if (!at)
		return -ENOENT;
	while (line > text && line[-1] != '\n')
		line--;
	*ret = sum_line(line, at);
	return 0;
}

static uint64_t count_vector(const char *text, const char *kind, unsigned n, const char *name)
{
	char what[64];
	uint64_t count = 0;

	(void)snprintf(what, sizeof(what), "vfio-%s[%u](%s)", kind, n, name);
	(void)pass_count_find(text, what, &count);
	return count;
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
	cleanup_free char *text = read_all(d->vm->interrupts_fd);
	if (text)
		d->intx.first = count_intx(text, d->name);
}

void pass_count_take(struct pass_dev *d, uint32_t index)
{
	if (d->vm->interrupts_fd < 0)
		return;
	cleanup_free char *text = read_all(d->vm->interrupts_fd);
	if (!text)
		return;
	if (index == VFIO_PCI_INTX_IRQ_INDEX) {
		uint64_t now = count_intx(text, d->name);
		d->intx.signals += now >= d->intx.first ? now - d->intx.first : 0;
		d->intx.first = now;
		return;
	}
	bool msix = index == VFIO_PCI_MSIX_IRQ_INDEX;
	struct pass_vector *v = msix ? d->msix.vectors : d->msi.vectors;
	unsigned count = msix ? d->msix.count : d->msi.on;
	for (unsigned n = 0; n < count; n++)
		if (v[n].eventfd >= 0)
			v[n].signals += count_vector(text, msix ? "msix" : "msi", n, d->name);
}
