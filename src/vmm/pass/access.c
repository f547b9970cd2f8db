/* SPDX-License-Identifier: MIT */
#include "vmm/pass/access.h"

#include "base/bits.h"
#include "base/num.h"
#include "vmm/pass/device.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

/*
 * An access of the guest. The worker returns one that nobody waits for. They are made with the
 * device: a processor's thread asks the kernel for no memory.
 */
struct pass_access {
	struct worker_job job;
	struct pass_access *next; /* that is free, too */
	struct pass_dev *dev;
	unsigned off, size;
	uint32_t value;
	bool done; /* under the device's lock, as is the next */
	bool abandoned;
	bool power; /* a write to the power state */
};

WALL_CALL(main | worker, pread64);
WALL_CALL(main | worker, pwrite64);

uint32_t pass_dev_get(struct pass_dev *d, unsigned off, unsigned size)
{
	uint64_t v;

	if (vfio_region_get(&d->vfio, &d->config_region, off, size, &v) < 0)
		return (uint32_t)all_ones(size);
	return (uint32_t)v;
}

int pass_dev_put(struct pass_dev *d, unsigned off, unsigned size, uint32_t value)
{
	return vfio_region_put(&d->vfio, &d->config_region, off, size, value);
}

int pass_access_init(struct pass_dev *d)
{
	/* A processor waits for one read, and may have left another one behind. */
	const size_t count = PASS_WRITES_MAX + 2 * (size_t)(d->vm->cpu_count + 1);

	d->accesses = calloc(count, sizeof(*d->accesses));
	if (!d->accesses)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		d->accesses[i].next = i + 1 < count ? &d->accesses[i + 1] : NULL;
	d->access_free = d->accesses;
	return 0;
}

void pass_access_fini(struct pass_dev *d)
{
	free(d->accesses);
	d->accesses = d->access_free = NULL;
}

/* Under the lock. Return: NULL: there is none. */
static struct pass_access *access_take(
	struct pass_dev *d, unsigned off, unsigned size, void (*run)(struct worker_job *j))
{
	struct pass_access *a = d->access_free;

	if (!a)
		return NULL;
	d->access_free = a->next;
	*a = (struct pass_access){.job.run = run, .dev = d, .off = off, .size = size};
	return a;
}

/* Under the lock. */
static void access_return(struct pass_access *a)
{
	a->next = a->dev->access_free;
	a->dev->access_free = a;
}

unsigned pass_access_decodes(const struct pass_dev *d)
{
	unsigned command = pass_config_get(&d->config, PCI_COMMAND, 2), decode = FUNC_DECODE_NONE;

	if (d->power)
		return decode;
	if (command & PCI_COMMAND_IO)
		decode |= FUNC_DECODE_IO;
	if (command & PCI_COMMAND_MEMORY)
		decode |= FUNC_DECODE_MEM;
	return decode;
}

void pass_access_place(struct pass_dev *d)
{
	if (!d->writes_queued)
		func_bars_place(&d->bars, pass_access_decodes(d));
}

void pass_ask_irqs(struct pass_dev *d, bool off)
{
	d->irqs.renew |= off;
	if (d->retired)
		return;
	d->irqs.asked = true;
	worker_add(&d->worker, &d->irqs.job);
}

void pass_ask_wait(struct pass_dev *d)
{
	const bool asked = d->irqs.asked;

	if ((asked || d->writes_queued) && !pass_ask_await(d))
		d->irqs.late |= asked;
}

bool pass_ask_await(struct pass_dev *d)
{
	lock_drop(&d->lock);
	bool done = worker_sync(&d->worker, PASS_PATIENCE_MS);
	lock_take(&d->lock);
	return done;
}

static void read_run(struct worker_job *j)
{
	struct pass_access *a = container_of(j, struct pass_access, job);
	struct pass_dev *d = a->dev;
	uint32_t value = pass_dev_get(d, a->off, a->size);

	lock_take(&d->lock);
	a->value = value;
	a->done = true;
	d->reads_abandoned -= a->abandoned;
	if (a->abandoned)
		access_return(a);
	lock_drop(&d->lock);
}

/* By a thread that may block. */
static uint32_t read_at_once(struct pass_dev *d, unsigned off, unsigned size)
{
	lock_drop(&d->lock);
	uint32_t value = pass_dev_get(d, off, size);
	lock_take(&d->lock);
	return value;
}

uint32_t pass_access_read(struct pass_dev *d, unsigned off, unsigned size)
{
	/* Before the guest runs, the main thread places BARs; the worker has nothing to do. */
	if (!thread_is_vcpu && !d->writes_queued)
		return read_at_once(d, off, size);
	/* The worker is still at a read that took too long: this one would only queue up. */
	struct pass_access *a = d->reads_abandoned ? NULL : access_take(d, off, size, read_run);

	if (!a)
		return (uint32_t)all_ones(size);
	worker_add(&d->worker, &a->job);
	(void)pass_ask_await(d);
	if (!a->done) {
		a->abandoned = true;
		d->reads_abandoned++;
		log_guest(&d->misdeeds.access, d->name,
			"read of configuration space at 0x%x: no answer in time", off);
		return (uint32_t)all_ones(size);
	}
	access_return(a);
	return a->value;
}

/* What follows from a write that the device has seen. Under the lock. */
static void write_done(struct pass_dev *d, const struct pass_access *a, int result, unsigned power)
{
	d->writes_queued--;
	if (result < 0)
		log_guest(&d->misdeeds.access, d->name, "write of configuration space at 0x%x: %s",
			a->off, strerror(-result));
	if (d->dropped || d->quiet || pass_dev_in_reset(d))
		return;
	/* A state that the device does not have leaves it where it was. */
	if (a->power)
		d->power = power & PCI_PM_CTRL_STATE_MASK;
	pass_access_place(d);
}

static void write_run(struct worker_job *j)
{
	struct pass_access *a = container_of(j, struct pass_access, job);
	struct pass_dev *d = a->dev;
	int r = pass_dev_put(d, a->off, a->size, a->value);
	unsigned power = a->power ? pass_dev_get(d, d->config.pm + PCI_PM_CTRL, 1) : 0;

	lock_take(&d->lock);
	write_done(d, a, r, power);
	access_return(a);
	lock_drop(&d->lock);
}

void pass_access_write(struct pass_dev *d, unsigned off, unsigned size, uint32_t value, bool power)
{
	struct pass_access *a =
		d->writes_queued < PASS_WRITES_MAX ? access_take(d, off, size, write_run) : NULL;

	if (!a) {
		log_guest(&d->misdeeds.access, d->name,
			"write of configuration space at 0x%x: the device takes no more", off);
		return;
	}
	a->value = value;
	a->power = power;
	d->touched = true;
	d->writes_queued++;
	worker_add(&d->worker, &a->job);
}
