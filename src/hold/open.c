/* SPDX-License-Identifier: MIT */
/*
 * The nodes and BARs that processes can reach, as one view has them. udev's own look at a new node
 * is no use of the device: it is waited for.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "hold/view.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

/*
 * udev looks into a disk when its driver comes, and when a program that wrote to it closes it: a
 * worker opens the disk, and keeps it until all rules have run. That takes some ten milliseconds.
 * If a worker takes longer than this, perhaps because the disk does not answer, usher reports it.
 */
#define UDEV_PATIENCE_MS 5000
#define UDEV_POLL_MS 20

static int open_order(const void *a, const void *b)
{
	const struct host_holder *x = &((const struct hold_open *)a)->holder;
	const struct host_holder *y = &((const struct hold_open *)b)->holder;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (x->way != y->way)
		return x->way < y->way ? -1 : 1;
	if (x->is_block != y->is_block)
		return x->is_block - y->is_block;
	if (x->rdev != y->rdev)
		return x->rdev < y->rdev ? -1 : 1;
	return strcmp(x->resource, y->resource);
}

/* Every process has memory devices (/dev/null) and its terminal open. */
#define MAJOR_MEM 1
#define MAJOR_PTY_FIRST 136
#define MAJOR_PTY_LAST 143

static int open_add(void *arg, const struct host_holder *o)
{
	struct hold_view *v = arg;
	unsigned m = major(o->rdev);

	if (!o->is_block && (m == MAJOR_MEM || (m >= MAJOR_PTY_FIRST && m <= MAJOR_PTY_LAST)))
		return 0;
	if (v->nr_opens % 64 == 0) {
		struct hold_open *list = reallocarray(v->opens, v->nr_opens + 64, sizeof(*list));
		if (!list)
			return -ENOMEM;
		v->opens = list;
	}
	v->opens[v->nr_opens++] = (struct hold_open){.holder = *o};
	return 0;
}

/* Many processes have the same node open: its link is read once. */
static int open_resolve(struct hold_view *v, size_t i)
{
	const struct host_holder *o = &v->opens[i].holder;
	char path[FILE_PATH_MAX], target[HOLD_TARGET_MAX];

	if (!o->rdev)
		return 0;
	for (size_t j = 0; j < i; j++) {
		const struct hold_open *x = &v->opens[j];
		if (x->holder.rdev != o->rdev || x->holder.is_block != o->is_block)
			continue;
		v->opens[i].target = x->target ? strdup(x->target) : NULL;
		return x->target && !v->opens[i].target ? -ENOMEM : 0;
	}
	int r = file_path(path, sizeof(path), "/sys/dev/%s/%u:%u", o->is_block ? "block" : "char",
		major(o->rdev), minor(o->rdev));
	if (r < 0 || v->host->ops->link(v->host, path, target, sizeof(target)) < 0)
		return r;
	v->opens[i].target = strdup(target);
	return v->opens[i].target ? 0 : -ENOMEM;
}

int hold_opens_read(struct hold_view *v)
{
	hold_opens_free(v);
	int r = v->host->ops->holders(v->host, v->look, open_add, v);
	size_t n = 0;

	if (r == -EACCES || r == -EPERM) {
		v->blind = r;
		r = 0;
	}
	if (r < 0)
		return r;
	if (v->nr_opens)
		qsort(v->opens, v->nr_opens, sizeof(*v->opens), open_order);
	for (size_t i = 0; i < v->nr_opens; i++)
		if (n == 0 || open_order(&v->opens[n - 1], &v->opens[i]) != 0)
			v->opens[n++] = v->opens[i];
	v->nr_opens = n;
	for (size_t i = 0; r == 0 && i < v->nr_opens; i++)
		r = open_resolve(v, i);
	return r;
}

void hold_opens_free(struct hold_view *v)
{
	for (size_t i = 0; i < v->nr_opens; i++) {
		free(v->opens[i].target);
		free(v->opens[i].node);
	}
	free(v->opens);
	v->opens = NULL;
	v->nr_opens = 0;
}

/* By the name that systemd 251 and later, earlier ones, and eudev give their workers. */
static bool is_udev(const struct host_holder *o)
{
	static const char *const names[] = {"(udev-worker)", "systemd-udevd", "udevd"};

	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(o->comm, names[i]) == 0)
			return o->uid == 0;
	return false;
}

static bool is_looked_at(const struct hold_case *c)
{
	const struct hold_view *v = c->view;

	for (size_t i = 0; i < v->nr_opens; i++)
		if (v->opens[i].target && is_udev(&v->opens[i].holder) &&
			hold_reaches(c, v->opens[i].target))
			return true;
	return false;
}

/* Whether a signal that ends usher comes within @ms; a verb that changes devices blocks them. */
static bool is_to_end(long ms)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	const struct timespec pause = {.tv_nsec = ms * 1000000L};
	sigset_t pending;

	if (nanosleep(&pause, NULL) < 0 || sigpending(&pending) < 0)
		return true;
	for (size_t i = 0; i < COUNT(ends); i++)
		if (sigismember(&pending, ends[i]) == 1)
			return true;
	return false;
}

int hold_udev_wait(struct hold_case *c)
{
	struct hold_view *v = c->view;
	int r = 0;

	while (r == 0 && v->is_patient && is_looked_at(c)) {
		if (!v->udev_until)
			v->udev_until = clock_ms() + UDEV_PATIENCE_MS;
		if (clock_ms() >= v->udev_until || is_to_end(UDEV_POLL_MS))
			v->is_patient = false;
		else
			r = hold_opens_read(v);
	}
	return r;
}
