/* SPDX-License-Identifier: MIT */
#include "vmm/pass/event.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "vfio/irq.h"
#include "vmm/pass/device.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

/*
 * How long a guest may take [s]. To take notice: Linux does within milliseconds, unless it is just
 * booting, or has no driver for slots and never will. To finish: it waits 5 s for a second press of
 * the button, then its drivers let go, of which NVMe's waits up to 5 s for the disk and one that
 * flushes caches longer.
 */
#define ANSWER_S 15
#define FINISH_S 60

static struct pass_event *event_of(struct loop_source *s)
{
	return container_of(s, struct pass_event, source);
}

/*
 * The loop calls without a lock, since slots have locks of their own, which come before that of a
 * function. Whether there is an event is asked under the lock of the function: a device that has
 * left has none.
 */
static bool event_fired(struct pass_event *v)
{
	eventfd_t count;

	lock_take(v->dev->func.lock);
	bool fired = v->source.fd >= 0 && eventfd_read(v->source.fd, &count) == 0;
	lock_drop(v->dev->func.lock);
	return fired;
}

/* Class and revision: VFIO asks the device for them, where it answers for the IDs by itself. */
static bool is_gone(struct pass_dev *d)
{
	uint64_t v;
	int r = vfio_region_get(&d->vfio, &d->config_region, PCI_CLASS_REVISION, 4, &v);

	return r < 0 || v == UINT32_MAX;
}

/* A card is in its slot as long as one of its functions is left. */
static void take_away(struct pass_dev *d)
{
	lock_take(d->func.lock);
	pass_dev_leave(d);
	bool last = pass_dev_is_last(d);
	lock_drop(d->func.lock);
	if (last)
		pci_unplug(&d->func);
}

/* Under the lock. */
static int set_deadline(struct pass_dev *d, time_t seconds)
{
	const struct itimerspec at = {.it_value = {.tv_sec = seconds}};
	struct loop_source *s = &d->events.deadline.source;

	return timerfd_settime(s->fd, 0, &at, NULL) < 0 ? -errno : 0;
}

/* A guest that has taken notice is given the time that its driver needs to finish. */
static void on_deadline(struct loop_source *s, uint32_t events)
{
	struct pass_dev *d = event_of(s)->dev;

	if (!event_fired(event_of(s)))
		return;
	bool answers = pci_unplug_acknowledged(&d->func);
	lock_take(d->func.lock);
	bool wait = answers && !d->events.answered && set_deadline(d, FINISH_S) == 0;
	d->events.answered |= wait;
	d->events.late = !wait;
	lock_drop(d->func.lock);
	if (wait)
		return;
	log_warn(d->name, "the guest does not let go of the device: it is taken from it");
	pci_unplug(&d->func);
}

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

static enum request request_decide(struct pass_dev *d)
{
	if (is_gone(d))
		return REQUEST_GONE;
	/* The kernel asks again and again; a second press of the button would take back the first. */
	if (d->events.asked)
		return REQUEST_KNOWN;
	d->events.asked = true;
	log_info(d->name, "the host wants the device back: the guest is asked to let go of it");
	/* Without a clock nobody waits. */
	d->events.late = start_deadline(d, ANSWER_S) < 0;
	return d->events.late ? REQUEST_PULL : REQUEST_ASK;
}

static void on_request(struct loop_source *s, uint32_t events)
{
	struct pass_dev *d = event_of(s)->dev;

	if (!event_fired(event_of(s)))
		return;
	lock_take(d->func.lock);
	enum request what = d->dropped ? REQUEST_KNOWN : request_decide(d);
	lock_drop(d->func.lock);
	if (what == REQUEST_GONE) {
		log_error(d->name, "the device is gone: it is taken from the guest");
		take_away(d);
	} else if (what == REQUEST_PULL) {
		pci_unplug(&d->func);
	} else if (what == REQUEST_ASK) {
		pci_request_unplug(&d->func);
	}
}

static void on_error(struct loop_source *s, uint32_t events)
{
	struct pass_dev *d = event_of(s)->dev;

	if (!event_fired(event_of(s)))
		return;
	log_error(d->name, "the device reports an error that it cannot correct: it is taken from "
			   "the guest");
	take_away(d);
}

void pass_events_ejected(struct pass_dev *d)
{
	if (d->dropped || d->events.late)
		return;
	log_info(d->name, d->events.asked ? "the guest has let go of the device"
					  : "the device leaves the guest with its card");
}

static int watch(struct pass_dev *d, struct pass_event *v, uint32_t index,
	void (*ready)(struct loop_source *, uint32_t), struct err *e)
{
	struct vfio_irqs irqs;

	*v = (struct pass_event){.source = {.fd = -1, .ready = ready}, .dev = d};
	/* Devices that are not PCI Express have no errors to report. */
	if (vfio_irq_info(&d->vfio, index, &irqs, NULL) < 0 || !irqs.count)
		return 0;
	v->source.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (v->source.fd < 0)
		return err_set(e, -errno, "watch for events of the device");
	int r = loop_add(&d->vm->loop, &v->source, e);
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
	int r = watch(d, &d->events.request, VFIO_PCI_REQ_IRQ_INDEX, on_request, e);

	if (r < 0)
		return r;
	return watch(d, &d->events.error, VFIO_PCI_ERR_IRQ_INDEX, on_error, e);
}

static void unwatch(struct pass_dev *d, struct pass_event *v)
{
	if (v->source.fd < 0)
		return;
	loop_remove(&d->vm->loop, &v->source);
	fd_close(&v->source.fd);
}

void pass_events_fini(struct pass_dev *d)
{
	unwatch(d, &d->events.request);
	unwatch(d, &d->events.error);
	unwatch(d, &d->events.deadline);
}
