/* SPDX-License-Identifier: MIT */
#include "cli/lend.h"

#include "base/err.h"
#include "cli/report.h"
#include "cli/service.h"
#include "cli/service_command.h"
#include "cli/verb.h"
#include "engine/engine.h"
#include "host/host.h"
#include "pci/device.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/*
 * How it works
 *
 * The lease is of the process that asks for it, which is the guest's keeper: usherd raises its
 * limit of locked memory, and usher-vmm inherits that. When the keeper ends, its lease ends, and
 * the lease's own keeper resets and returns the devices.
 */
struct lending {
	const struct keeper *keeper;
	int (*guest)(const struct keeper *k);
};

bool lend_is_needed(const struct guest_spec *s, const struct engine *engine)
{
	return geteuid() != 0 && engine == &engine_ours && s->device_count && !spec_is_handed(s) &&
	       service_may_run();
}

static void device_take(struct guest_device *d, const struct borrowed *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (pci_address_equal(b->addresses[i], d->address)) {
			d->handed = true;
			d->fd = b->devices[i];
			d->container = b->container;
		}
}

/* struct service_job.main */
static int guest_run(void *arg, const struct borrowed *b)
{
	const struct lending *l = arg;
	static struct guest_spec spec; /* too large for a stack */
	struct keeper k = *l->keeper;

	spec = *k.spec;
	for (size_t i = 0; i < spec.device_count; i++)
		device_take(&spec.devices[i], b);
	k.spec = &spec;
	return l->guest(&k);
}

/* `id=`: after a change of addresses, usherd would lend another device. */
static int device_compare(const struct guest_device *d, struct err *e)
{
	char address[PCI_ADDRESS_TEXT];
	struct pci_device found;

	if (!d->vendor)
		return 0;
	int r = pci_device_peek(host_live(), d->address, &found, e);
	if (r < 0 || (found.vendor == d->vendor && found.device == d->device))
		return r;
	return err_say(e, -ENODEV, "%s is %04x:%04x, not %04x:%04x",
		pci_address_format(d->address, address), found.vendor, found.device, d->vendor,
		d->device);
}

int lend_run(const struct keeper *k, bool quiet, int (*guest)(const struct keeper *k))
{
	struct pci_address devices[SPEC_DEVICES_MAX];
	struct lending lending = {.keeper = k, .guest = guest};
	const struct service_lease asked = {
		.devices = devices, .device_count = k->spec->device_count, .quiet = quiet};
	const struct service_job job = {
		.main = guest_run, .arg = &lending, .is_alone = k->detached};

	for (size_t i = 0; i < asked.device_count; i++) {
		struct err e = {0};
		if (device_compare(&k->spec->devices[i], &e) < 0) {
			report(&e);
			return LEAVE_REFUSED;
		}
		devices[i] = k->spec->devices[i].address;
	}
	return service_job_run(&asked, &job);
}
