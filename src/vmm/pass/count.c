/* SPDX-License-Identifier: MIT */
#include "vmm/pass/count.h"

#include "base/clean.h"
#include "base/num.h"
#include "vmm/pass/device.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX MIB(4) /* a host of many processors and vectors; beyond it nothing is counted */

WALL_CALL(main | worker, pread64);

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

/* The host's number of the interrupt whose line in @text ends in "vfio-intx(NAME)", -1 none. */
static int find_line(const char *text, const char *name)
{
	char what[64];

	(void)snprintf(what, sizeof(what), "vfio-intx(%s)", name);
	const char *line = strstr(text, what);
	while (line && line > text && line[-1] != '\n')
		line--;
	return line ? (int)strtoul(line, NULL, 10) : -1;
}

/* What the interrupt with number @irq has counted, 0 if @text has no line of it. */
static uint64_t count_line(const char *text, int irq)
{
	const char *line = text;

	while (*line) {
		const char *end = strchrnul(line, '\n');
		char *after;
		long n = strtol(line, &after, 10);
		if (after > line && after < end && *after == ':' && n == irq)
			return sum_line(line, end);
		line = end + (*end == '\n');
	}
	return 0;
}

/* The kernel keeps the count of a line that was turned off, so this may come late. */
static void take_intx(struct pass_dev *d, const char *text)
{
	struct pass_intx *i = &d->intx;

	if (i->irq >= 0) {
		uint64_t now = count_line(text, i->irq);
		i->signals += now >= i->first ? now - i->first : 0;
		i->first = now;
	}
	if (d->irqs.on != VFIO_PCI_INTX_IRQ_INDEX) {
		i->irq = -1;
	} else if (i->irq < 0) {
		i->irq = find_line(text, d->name);
		i->first = count_line(text, i->irq);
	}
}

static void take_vectors(struct pass_dev *d, const char *text, const char *kind,
	struct func_vector *v, unsigned count)
{
	uint64_t signals;
	unsigned n;

	while (pass_count_next(&text, kind, d->name, &n, &signals) == 0)
		if (n < count) {
			v[n].signals += signals - (signals < v[n].counted ? 0 : v[n].counted);
			v[n].counted = signals;
		}
}

/* The kernel counts a vector from 0 when it is turned on again. Under the lock. */
static void forget_counted(struct pass_dev *d)
{
	for (unsigned i = 0; i < d->msi.count; i++)
		d->msi.vectors[i].counted = 0;
	for (unsigned i = 0; i < d->msix.guest.count; i++)
		d->msix.guest.vectors[i].counted = 0;
}

/* Of the kind that VFIO has on. Under the lock. */
static void take_messages(struct pass_dev *d, const char *text)
{
	if (d->irqs.on == VFIO_PCI_MSI_IRQ_INDEX)
		take_vectors(d, text, "msi", d->msi.vectors, d->msi.count);
	if (d->irqs.on == VFIO_PCI_MSIX_IRQ_INDEX)
		take_vectors(d, text, "msix", d->msix.guest.vectors, d->msix.guest.count);
}

static bool is_counted(const struct pass_dev *d)
{
	return __atomic_load_n(&d->vm->interrupts_fd, __ATOMIC_RELAXED) >= 0;
}

static char *read_interrupts(const struct pass_dev *d)
{
	return read_counts(__atomic_load_n(&d->vm->interrupts_fd, __ATOMIC_RELAXED));
}

static void count_run(struct worker_job *j)
{
	struct pass_dev *d = container_of(j, struct pass_dev, count.job);
	cleanup_free char *text = read_interrupts(d);

	lock_take(&d->lock);
	if (text && is_counted(d))
		take_intx(d, text);
	lock_drop(&d->lock);
}

void pass_count_init(struct pass_dev *d)
{
	d->count.job.run = count_run;
	d->intx.irq = -1;
}

void pass_count_intx(struct pass_dev *d)
{
	if (is_counted(d) && !d->retired)
		worker_add(&d->worker, &d->count.job);
}

void pass_count_messages(struct pass_dev *d)
{
	if (is_counted(d)) {
		lock_drop(&d->lock);
		cleanup_free char *text = read_interrupts(d);
		lock_take(&d->lock);
		if (text && is_counted(d))
			take_messages(d, text);
	}
	forget_counted(d);
}

void pass_count_take(struct pass_dev *d, int interrupts_fd)
{
	cleanup_free char *text = interrupts_fd >= 0 ? read_counts(interrupts_fd) : NULL;

	lock_take(&d->lock);
	if (text) {
		take_intx(d, text);
		take_messages(d, text);
	}
	lock_drop(&d->lock);
}
