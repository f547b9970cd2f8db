/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "base/num.h"
#include "bind/bind.h"
#include "bind/gate.h"
#include "bind/variant.h"
#include "check/option.h"
#include "check/rule.h"
#include "pci/alive.h"
#include "pci/blank.h"
#include "pci/class.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Rules about one device: its class, its driver, whether it responds. */

#define VENDOR_MELLANOX 0x15b3
#define BASE_NETWORK 0x02

void check_platform(struct check_case *c)
{
	const struct pci_device *d = c->device;
	char path[FILE_PATH_MAX], value[16], text[64];

	if (!d->is_bridge && !bind_is_platform(d))
		return;
	check_found(c, CHECK_FAIL, c->address, "is %s%s", check_class_text(d, text, sizeof(text)),
		d->is_bridge ? ", which keeps its driver while devices behind it are lent"
			     : " of the host, which is never lent");
	(void)snprintf(value, sizeof(value), "0x%06x", d->class);
	check_seen(c, check_attribute_path(c, "class", path, sizeof(path)), value);
	check_fix(c, d->is_bridge ? "name a device behind it: usher list --tree"
				  : "choose another device: usher list");
}

void check_driver(struct check_case *c)
{
	const struct pci_device *d = c->device;
	char path[FILE_PATH_MAX];

	if (d->is_locked) {
		check_found(c, CHECK_FAIL, c->address,
			"a driver or the kernel holds its device lock and does not release it");
		check_seen(c, check_attribute_path(c, "driver_override", path, sizeof(path)),
			"did not answer");
		check_fix(c, "stop the process that uses it, because an unbind waits for that "
			     "process; else look for the driver that hangs: dmesg");
		return;
	}
	check_found(c, CHECK_INFO, c->address, d->driver[0] ? "is on %s" : "has no driver%s",
		d->driver);
	check_seen(c, check_attribute_path(c, "driver", path, sizeof(path)),
		d->driver[0] ? d->driver : "does not exist");
}

static void check_variant(struct check_case *c)
{
	struct bind_env env = bind_env_live();
	char modalias[256], variant[64], path[FILE_PATH_MAX];

	env.host = c->host;
	if (c->host != host_live())
		env.state = "/nonexistent"; /* the cache there belongs to this host */
	if (check_attribute(c, "modalias", modalias, sizeof(modalias)) <= 0 ||
		bind_variant_find(&env, modalias, variant, sizeof(variant)) < 0)
		return;
	check_found(c, CHECK_INFO, c->address,
		"has its own VFIO driver, %s, which supports more than vfio-pci (migration)",
		variant);
	check_seen(c, check_attribute_path(c, "modalias", path, sizeof(path)), modalias);
	check_fix(c, "'usher bind' uses it; --driver selects another");
}

void check_denied(struct check_case *c)
{
	const struct pci_device *d = c->device;
	static const char lifts[] = "/sys/module/vfio_pci/parameters/disable_denylist";
	char path[FILE_PATH_MAX], value[16], fix[320];

	if (bind_denylisted(d) && !check_flag_set(c, lifts)) {
		check_found(c, CHECK_FAIL, c->address,
			"vfio-pci refuses id %04x:%04x: passthrough of this device is unsafe",
			d->vendor, d->device);
		(void)snprintf(value, sizeof(value), "0x%04x", d->device);
		check_seen(c, check_attribute_path(c, "device", path, sizeof(path)), value);
		option_how_to_set(c, "vfio_pci", "disable_denylist=1", fix, sizeof(fix));
		check_fix(c, "only for trusted guests: %s", fix);
	}
	if (!c->named)
		return;
	check_variant(c);
	if (d->vendor != VENDOR_MELLANOX || d->class >> 16 != BASE_NETWORK)
		return;
	check_found(c, CHECK_INFO, c->address,
		"DPDK's driver for this card needs the kernel's driver: "
		"on vfio-pci it finds no device");
	check_seen(c, check_attribute_path(c, "vendor", path, sizeof(path)), "0x15b3");
	check_fix(c, "for DPDK leave it on mlx5_core; bind it only for a guest");
}

int check_device_is_dead(struct check_case *c)
{
	char status[32], path[FILE_PATH_MAX];

	if (c->device->seems_dead)
		return 1;
	check_attribute_path(c, "power/runtime_status", path, sizeof(path));
	bool active = host_read_text(c->host, path, status, sizeof(status)) > 0 &&
		      strcmp(status, "active") == 0;
	/*
	 * To read configuration space wakes a device that sleeps. One that hangs may have no
	 * driver; each read of it times out.
	 */
	if (!c->named && (!active || !c->device->driver[0]))
		return -EAGAIN;
	return pci_device_is_dead(c->host, c->device);
}

/* The kernel's log may know why. */
static void tell_dead(struct check_case *c)
{
	const struct kernlog_event *x = check_logged_loss(c, c->device);
	bool seems_dead = c->device->seems_dead;
	const struct kernlog_event own = {
		.cause = KERNLOG_LOST, .has_address = true, .address = c->device->address};
	char address[PCI_ADDRESS_TEXT], path[FILE_PATH_MAX];

	if (!x)
		check_found(c, CHECK_FAIL, c->address,
			"does not respond: it dropped off the bus, or it hangs");
	else if (pci_address_equal(x->address, c->device->address))
		check_found(c, CHECK_FAIL, c->address, "does not respond: it %s",
			kernlog_advice(x->cause)->text);
	else
		check_found(c, CHECK_FAIL, c->address, "does not respond: %s %s",
			pci_address_format(x->address, address), kernlog_advice(x->cause)->text);
	if (x && !pci_address_equal(x->address, c->device->address))
		check_fix(c, "bring that device back first: usher check %s", address);
	else
		check_logged_fix(c, x ? x : &own);
	if (x) {
		check_logged_seen(c, x);
		return;
	}
	check_attribute_path(c, seems_dead ? "power_state" : "config", path, sizeof(path));
	check_seen(c, path, seems_dead ? "does not fit its runtime_status" : "ff ff");
}

/* It answers, and its driver talks to nobody: only a named device's registers are read for this. */
static void tell_blank(struct check_case *c)
{
	char path[FILE_PATH_MAX];

	check_found(c, CHECK_FAIL, c->address,
		"does not work: something reset it behind the kernel, so its BARs have no "
		"addresses");
	check_seen(c, check_attribute_path(c, "config", path, sizeof(path)), "BARs: 0");
	check_fix(c, "usher revive %s", c->address);
}

void check_alive(struct check_case *c)
{
	char path[FILE_PATH_MAX];
	int r = check_device_is_dead(c);

	if (r == 1)
		tell_dead(c);
	else if (r == 0 && c->named && pci_device_is_blank(c->host, c->device->address))
		tell_blank(c);
	else if (r < 0 && r != -ENOENT && r != -EAGAIN)
		check_blind(c, check_attribute_path(c, "config", path, sizeof(path)), r);
}

void check_twins(struct check_case *c)
{
	const struct pci_device *d = c->device;
	size_t n = check_count_ids(c, d->vendor, d->device);
	char path[FILE_PATH_MAX], value[16];

	if (n < 2)
		return;
	check_found(c, CHECK_INFO, c->address,
		"%zu devices have id %04x:%04x: only the address distinguishes them", n, d->vendor,
		d->device);
	(void)snprintf(value, sizeof(value), "0x%04x", d->device);
	check_seen(c, check_attribute_path(c, "device", path, sizeof(path)), value);
}
