/* SPDX-License-Identifier: MIT */
#include "vmm/pass/event.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "vfio/irq.h"
#include "vmm/pass/access.h"
#include "vmm/pass/device.h"
#include "vmm/pass/domain.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

/*
 * Deadlines of the guest [s]. Linux acknowledges the button within milliseconds, unless it is
 * booting or has no driver for slots. To finish, it waits 5 s for a second press of the button.
 * Then its drivers release the device: NVMe's waits up to 5 s for the disk, one that flushes caches
 * longer.
 */
#define ANSWER_S 15
#define FINISH_S 60

static struct pass_event *event_of(struct loop_source *s)
{
	return container_of(s, struct pass_event, source);
}

/*
 * The loop calls without a lock, because a slot's lock comes before that of a function. The event
 * is read under the function's lock: a device that has left has no eventfd any more.
 */
static bool event_fired(struct pass_event *v)
{
	eventfd_t count;

	lock_take(v->dev->func.lock);
	bool fired = v->source.fd >= 0 && eventfd_read(v->source.fd, &count) == 0;
	lock_drop(v->dev->func.lock);
	return fired;
}

/* The card stays in its slot while one of its functions is left. */
static void remove_device(struct pass_dev *d)
{
	lock_take(d->func.lock);
	d->events.logged = true;
	d->func.ops->eject(&d->func);
	bool last = pass_domain_is_last(d);
	lock_drop(d->func.lock);
	if (last)
		pci_unplug(&d->func);
}

WALL_CALL(main | worker, timerfd_settime);

/* Under the lock. */
static int set_deadline(struct pass_dev *d, time_t seconds)
{
	const struct itimerspec at = {.it_value = {.tv_sec = seconds}};
	struct loop_source *s = &d->events.deadline.source;

	return timerfd_settime(s->fd, 0, &at, NULL) < 0 ? -errno : 0;
}

/* A guest that has acknowledged gets the time that its driver needs to finish. */
static void on_deadline(struct loop_source *s, uint32_t events)
{
	struct pass_dev *d = event_of(s)->dev;

	if (!event_fired(event_of(s)))
		return;
	bool answers = pci_unplug_acknowledged(&d->func);
	lock_take(d->func.lock);
	bool wait = answers && !d->events.answered && set_deadline(d, FINISH_S) == 0;
	d->events.answered |= wait;
	d->events.logged = !wait;
	lock_drop(d->func.lock);
	if (wait)
		return;
	log_warn(d->name, "the guest does not release the device in time: usher removes it");
	pci_unplug(&d->func);
}

WALL_CALL(main, timerfd_create);

/* Under the lock. */
static int start_deadline(struct pass_dev *d, time_t seconds)
{
	struct pass_event *v = &d->events.deadline;

	*v = (struct pass_event){.source = {.fd = -1, .ready = on_deadline}, .dev = d};
	v->source.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (v->source.fd < 0)
		return -errno;
	int r = loop_add(&d->vm->loop, &v->source, NULL);
	if (r < 0) {
		fd_close(&v->source.fd);
		return r;
	}
	return set_deadline(d, seconds);
}

enum request { REQUEST_KNOWN, REQUEST_ASK, REQUEST_PULL, REQUEST_GONE };

/* Under the lock. */
static enum request request_decide(struct pass_dev *d, bool is_gone)
{
	if (d->dropped)
		return REQUEST_KNOWN;
	if (is_gone)
		return REQUEST_GONE;
	/* The kernel repeats the request; a second press of the button would cancel the first. */
	if (d->events.asked)
		return REQUEST_KNOWN;
	d->events.asked = true;
	log_info(d->name, "the host wants the device back: usher asks the guest to release it");
	/* Without a timer the device is removed at once. */
	d->events.logged = start_deadline(d, ANSWER_S) < 0;
	return d->events.logged ? REQUEST_PULL : REQUEST_ASK;
}

static void request_serve(struct pass_dev *d, bool is_gone)
{
	lock_take(d->func.lock);
	enum request what = request_decide(d, is_gone);
	lock_drop(d->func.lock);
	if (what == REQUEST_GONE) {
		log_error(d->name, "the device is gone: usher removes it from the guest");
		remove_device(d);
	} else if (what == REQUEST_PULL) {
		pci_unplug(&d->func);
	} else if (what == REQUEST_ASK) {
		pci_request_unplug(&d->func);
	}
}

/*
 * Reads class and revision: VFIO reads them from the device, but emulates the IDs. The rest is the
 * loop's: it takes the lock of the slot, and a vCPU that has this lock may wait for the worker.
 */
void pass_events_run(struct worker_job *j)
{
	struct pass_dev *d = container_of(j, struct pass_dev, events.job);
	struct pass_events *v = &d->events;
	bool gone = pass_dev_get(d, PCI_CLASS_REVISION, 4) == UINT32_MAX;

	lock_take(&d->lock);
	v->looked = true;
	v->gone = gone;
	if (v->request.source.fd >= 0)
		(void)eventfd_write(v->request.source.fd, 1);
	lock_drop(&d->lock);
}

/*
 * First the worker looks at the device. While the device is in reset the kernel lets no read
 * through, for up to a minute: nobody waits for that, and the kernel repeats its request.
 */
static void on_request(struct loop_source *s, uint32_t events)
{
	struct pass_dev *d = event_of(s)->dev;

	if (!event_fired(event_of(s)))
		return;
	lock_take(d->func.lock);
	bool in_reset = pass_dev_in_reset(d);
	bool serve = in_reset || d->events.looked, gone = !in_reset && d->events.gone;
	d->events.looked = d->events.gone = false;
	if (!serve && !d->dropped)
		worker_add(&d->worker, &d->events.job);
	lock_drop(d->func.lock);
	if (serve)
		request_serve(d, gone);
}

static void on_error(struct loop_source *s, uint32_t events)
{
	struct pass_dev *d = event_of(s)->dev;

	if (!event_fired(event_of(s)))
		return;
	log_error(d->name,
		"the device reports an uncorrectable error: usher removes it from the guest");
	remove_device(d);
}

void pass_events_ejected(struct pass_dev *d)
{
	if (d->dropped || d->events.logged)
		return;
	log_info(d->name,
		d->events.asked
			? "the guest has released the device"
			: "the device leaves the guest with the other functions of its card");
}

WALL_CALL(main | worker, eventfd2);

static int watch_event(struct pass_dev *d, struct pass_event *v, uint32_t index,
	void (*ready)(struct loop_source *, uint32_t), struct err *e)
{
	struct vfio_irqs irqs;

	*v = (struct pass_event){.source = {.fd = -1, .ready = ready}, .dev = d};
	/* Devices that are not PCI Express report no errors. */
	if (vfio_irq_info(&d->vfio, index, &irqs, NULL) < 0 || !irqs.count)
		return 0;
	v->source.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (v->source.fd < 0)
		return err_set(e, -errno, "watch for events of the device");
	int r = d->events.deferred ? 0 : loop_add(&d->vm->loop, &v->source, e);
	if (r < 0) {
		fd_close(&v->source.fd);
		return r;
	}
	r = vfio_irq_set(&d->vfio, index, 0, &v->source.fd, 1);
	return r ? err_set(e, r > 0 ? -EIO : r, "watch for events of the device") : 0;
}

int pass_events_init(struct pass_dev *d, struct err *e)
{
	d->events.error.source.fd = d->events.deadline.source.fd = -1;
	int r = watch_event(d, &d->events.request, VFIO_PCI_REQ_IRQ_INDEX, on_request, e);

	if (r < 0)
		return r;
	return watch_event(d, &d->events.error, VFIO_PCI_ERR_IRQ_INDEX, on_error, e);
}

static void unwatch_event(struct pass_dev *d, struct pass_event *v)
{
	if (v->source.fd < 0)
		return;
	loop_remove(&d->vm->loop, &v->source);
	fd_close(&v->source.fd);
}

void pass_events_fini(struct pass_dev *d)
{
	unwatch_event(d, &d->events.request);
	unwatch_event(d, &d->events.error);
	unwatch_event(d, &d->events.deadline);
}

int pass_events_watch(struct pass_dev *d, struct err *e)
{
	struct pass_event *const events[] = {&d->events.request, &d->events.error};

	for (size_t i = 0; i < COUNT(events); i++) {
		if (events[i]->source.fd < 0)
			continue;
		int r = loop_add(&d->vm->loop, &events[i]->source, e);
		if (r < 0)
			return r;
	}
	return 0;
}
