/* SPDX-License-Identifier: MIT */
#include "engine/wipe.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "engine/devices.h"
#include "pci/device.h"
#include "vfio/device.h"
#include "vfio/hotreset.h"
#include "vfio/region.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * How it works
 *
 * Invariant: a device counts as reset only if the kernel reported a reset of it in devices_wipe(),
 * and the device answers afterwards. Anything else is a failure, and the device stays on VFIO.
 *
 * Three passes over the devices, because a reset of a bus hits several of them:
 *
 *	patient_open()    opens it again and turns bus mastering off: from here on, no DMA
 *	patient_reset()   the bus if the function has no better way than D3, else the function
 *	patient_verify()  reads the vendor id, then closes the device
 *
 * A reset of the bus needs the group of every function on it, and we hold the groups of our devices
 * only. If a function of another group is there, the device falls back to its own reset, and the
 * report says why.
 */
#define BUSY_TRIES 50 /* another process may hold the device's lock briefly */
#define BUSY_PAUSE_NS 100000000

/* A device to reset. */
struct patient {
	struct vfio_dev vfio;
	struct wiped *told;
	char method[PCI_NAME_MAX]; /* the first that the kernel would use; "" none, or unknown */
	bool done;
};

struct ward {
	struct open_devices *open;
	size_t count;
	struct patient patients[SPEC_DEVICES_MAX];
};

static void mark_reset(struct patient *p, const char *how)
{
	p->done = true;
	p->told->code = 0;
	(void)snprintf(p->told->text, sizeof(p->told->text), "%s", how);
}

static void mark_failed(struct patient *p, const struct err *e)
{
	p->done = true;
	p->told->code = e->code ? e->code : -EIO;
	(void)snprintf(p->told->text, sizeof(p->told->text), "%.255s", e->msg);
}

static int bus_master_disable(struct vfio_dev *d, struct err *e)
{
	struct vfio_region config;
	uint64_t command = 0;
	int r = vfio_region_info(d, VFIO_PCI_CONFIG_REGION_INDEX, &config, e);

	if (r < 0)
		return r;
	r = vfio_region_get(d, &config, PCI_COMMAND, 2, &command);
	if (r >= 0)
		r = vfio_region_put(
			d, &config, PCI_COMMAND, 2, command & ~(uint64_t)PCI_COMMAND_MASTER);
	return r < 0 ? err_set(e, r, "turn off its bus mastering") : 0;
}

/* The kernel does not reset a device that is open elsewhere. */
static void patient_open(struct host *h, struct ward *w, size_t i, struct wiped *told)
{
	struct patient *p = &w->patients[i];
	struct pci_device d;
	struct err e = {0};

	*p = (struct patient){.vfio = VFIO_DEV_NONE, .told = told};
	*told = (struct wiped){.address = w->open->devices[i].address};
	if (pci_device_peek(h, told->address, &d, NULL) == 0)
		(void)snprintf(p->method, sizeof(p->method), "%.*s",
			(int)strcspn(d.reset_method, " "), d.reset_method);
	int r = devices_open_again(h, w->open, i, &p->vfio, &e);
	if (r >= 0)
		r = bus_master_disable(&p->vfio, &e);
	if (r < 0)
		mark_failed(p, &e);
}

/* A reset of the bus needs the group of every function that it hits. */
static int check_hits(
	const struct vfio_ioas *s, const struct vfio_dependent *hit, size_t count, struct err *e)
{
	char name[PCI_ADDRESS_TEXT];
	size_t missing = vfio_ioas_missing(s, hit, count);

	if (missing == count)
		return 0;
	return err_say(e, -EPERM,
		"a reset of its bus would hit %s of IOMMU group %d, which is not ours",
		pci_address_format(hit[missing].address, name), hit[missing].group);
}

/* Return: how many functions were hit, in *@ret for the caller to free(); -errno. */
static int reset_bus_of(
	struct vfio_ioas *s, struct vfio_dev *device, struct vfio_dependent **ret, struct err *e)
{
	cleanup_free struct vfio_dependent *hit = NULL;
	int count = vfio_hotreset_info(device, &hit, e);

	if (count < 0)
		return count;
	int r = check_hits(s, hit, (size_t)count, e);
	if (r < 0)
		return r;
	r = vfio_ioas_reset_bus(s, device, hit, (size_t)count);
	if (r < 0)
		return err_set(e, r, "reset its bus");
	*ret = TAKE_PTR(hit);
	return count;
}

int devices_reset_bus(struct open_devices *d, struct pci_address address, struct err *e)
{
	cleanup_free struct vfio_dependent *hit = NULL;
	struct vfio_dev device = VFIO_DEV_NONE;
	size_t i = 0;

	while (i < d->device_count && !pci_address_equal(d->devices[i].address, address))
		i++;
	if (i == d->device_count)
		return err_say(e, -EPERM, "the device is not one of the guest's");
	int r = devices_open_again(NULL, d, i, &device, e);
	if (r < 0)
		return r;
	r = reset_bus_of(&d->ioas, &device, &hit, e);
	vfio_ioas_detach(&d->ioas, &device);
	return r < 0 ? r : 0;
}

/* Resets everything on the bus; other devices of ours there need no reset of their own. */
static int reset_bus(struct ward *w, struct patient *p, struct err *e)
{
	cleanup_free struct vfio_dependent *hit = NULL;
	int count = reset_bus_of(&w->open->ioas, &p->vfio, &hit, e);

	if (count < 0 || !hit)
		return count;
	for (int i = 0; i < count; i++)
		for (size_t k = 0; k < w->count; k++)
			if (!w->patients[k].done &&
				pci_address_equal(w->patients[k].told->address, hit[i].address))
				mark_reset(&w->patients[k], "its bus");
	return 0;
}

static int reset_function(struct patient *p, struct err *e)
{
	const struct timespec pause = {.tv_nsec = BUSY_PAUSE_NS};
	int r = vfio_dev_reset(&p->vfio, e);

	for (unsigned i = 0; i < BUSY_TRIES && r == -EAGAIN; i++) {
		(void)nanosleep(&pause, NULL);
		r = vfio_dev_reset(&p->vfio, e);
	}
	if (r >= 0)
		mark_reset(p, p->method[0] ? p->method : "a way that the kernel does not name");
	return r;
}

static void patient_reset(struct ward *w, struct patient *p)
{
	/* The kernel chose "bus" before it had found the other devices of the bus. */
	const bool weak =
		!p->method[0] || strcmp(p->method, "pm") == 0 || strcmp(p->method, "bus") == 0;
	struct err bus = {0}, own = {0};

	if (weak && reset_bus(w, p, &bus) == 0)
		return;
	if (reset_function(p, &own) < 0)
		mark_failed(p, own.code == -ENOTTY && bus.code ? &bus : &own);
	else if (bus.code)
		(void)snprintf(
			p->told->text, sizeof(p->told->text), "%.63s: %.180s", p->method, bus.msg);
}

/* A device that no longer answers has not been reset, even if the kernel reports success. */
static void patient_verify(struct patient *p)
{
	struct vfio_region config;
	uint64_t id = UINT16_MAX;
	struct err e = {0};

	if (p->told->code < 0)
		return;
	if (vfio_region_info(&p->vfio, VFIO_PCI_CONFIG_REGION_INDEX, &config, NULL) < 0 ||
		vfio_region_get(&p->vfio, &config, PCI_VENDOR_ID, 2, &id) < 0 || id == UINT16_MAX) {
		(void)err_say(&e, -ENODEV, "it does not answer after its reset");
		mark_failed(p, &e);
	}
}

void devices_wipe(struct host *h, struct open_devices *d, struct wipe *ret)
{
	struct ward w = {.open = d, .count = d->device_count};

	ret->count = d->device_count;
	for (size_t i = 0; i < w.count; i++)
		patient_open(h, &w, i, &ret->devices[i]);
	for (size_t i = 0; i < w.count; i++)
		if (!w.patients[i].done)
			patient_reset(&w, &w.patients[i]);
	for (size_t i = 0; i < w.count; i++) {
		patient_verify(&w.patients[i]);
		vfio_ioas_detach(&d->ioas, &w.patients[i].vfio);
	}
}

size_t wipe_failed(const struct wipe *w, struct pci_address *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < w->count; i++)
		if (w->devices[i].code < 0)
			ret[n++] = w->devices[i].address;
	return n;
}
