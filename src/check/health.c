/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/busy.h"
#include "bind/gate.h"
#include "bind/owner.h"
#include "bind/reset.h"
#include "check/rule.h"
#include "pci/bar.h"
#include "pci/reset.h"
#include "pci/sleep.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Rules about the condition of a device: resets, power, BARs, NUMA node, link. */

#define VENDOR_AMD 0x1002
#define BAR_LARGE GIB(16)
#define PAGE 4096

/* "0000:01:00.1 0000:01:00.2 …" */
static void list_along(const struct pci_hot_reset *r, char *buf, size_t size)
{
	char address[PCI_ADDRESS_TEXT];

	buf[0] = '\0';
	for (size_t i = 0; i < r->count && i < 6; i++) {
		size_t n = strlen(buf);

		(void)snprintf(buf + n, size - n, "%s%s", n ? " " : "",
			i == 5 ? "..." : pci_address_format(r->along[i], address));
	}
}

/*
 * Reads what a bus reset would affect. This walks over all devices, so it is only done for named
 * devices.
 * Return: 0, -ENOMEM.
 */
static int find_hot_reset(struct check_case *c, struct pci_hot_reset *ret)
{
	*ret = (struct pci_hot_reset){.possible = c->device->has_parent};
	if (!c->named)
		return 0;
	cleanup_free const struct pci_device **all = calloc(c->device_count + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < c->device_count; i++)
		all[i] = &c->devices[i];
	return pci_hot_reset_read(c->host, c->device->address, all, c->device_count, ret);
}

/* The function has no reset of its own: report what a bus reset would affect. */
static void tell_no_reset(struct check_case *c)
{
	struct pci_hot_reset hot;
	char path[FILE_PATH_MAX], along[160];

	if (find_hot_reset(c, &hot) < 0) {
		c->failed = -ENOMEM;
		return;
	}
	list_along(&hot, along, sizeof(along));
	if (!hot.possible)
		check_found(c, CHECK_WARN, c->address,
			"cannot be reset: its state remains from one guest to the next");
	else if (hot.count)
		check_found(c, CHECK_WARN, c->address,
			"has no reset of its own: only a bus reset, which also resets %s", along);
	else
		check_found(c, CHECK_WARN, c->address, "has no reset of its own: %s",
			c->named ? "VFIO resets its bus, on which it is alone"
				 : "only a reset of its whole bus");
	check_seen(
		c, check_attribute_path(c, "reset_method", path, sizeof(path)), "does not exist");
	if (hot.count)
		check_fix(c,
			"bind those as well: VFIO resets a bus only if it owns all of its devices");
	else if (!hot.possible)
		check_fix(c, "'usher release' leaves it on vfio-pci, unless --allow=no-reset");
	pci_hot_reset_fini(&hot);
}

/* The boards in the table of the module vendor-reset. */
static bool vendor_reset_knows(const struct pci_device *d)
{
	static const uint16_t ids[] = {/* Polaris 10, 11, 12 */
		0x67c0, 0x67c1, 0x67c2, 0x67c4, 0x67c7, 0x67c8, 0x67c9, 0x67ca, 0x67cc, 0x67cf,
		0x67d0, 0x67df, 0x6fdf, 0x67e0, 0x67e1, 0x67e3, 0x67e7, 0x67e8, 0x67e9, 0x67eb,
		0x67ef, 0x67ff, 0x6980, 0x6981, 0x6985, 0x6986, 0x6987, 0x6995, 0x6997, 0x699f,
		/* Vega 10, 20, Arcturus */
		0x6860, 0x6861, 0x6862, 0x6863, 0x6864, 0x6867, 0x6868, 0x6869, 0x686a, 0x686b,
		0x686c, 0x686d, 0x686e, 0x686f, 0x687f, 0x66a0, 0x66a1, 0x66a2, 0x66a3, 0x66a4,
		0x66a7, 0x66af, 0x738c,
		/* Navi 10, 12, 14 */
		0x7310, 0x7312, 0x7318, 0x7319, 0x731a, 0x731b, 0x731e, 0x731f, 0x7360, 0x7362,
		0x7340, 0x7341, 0x7347, 0x734f};

	for (size_t i = 0; d->vendor == VENDOR_AMD && i < COUNT(ids); i++)
		if (d->device == ids[i])
			return true;
	return false;
}

void check_reset(struct check_case *c)
{
	const struct pci_device *d = c->device;
	char path[FILE_PATH_MAX];

	/* Of a dead device only P21 counts. */
	if (d->is_bridge || bind_is_platform(d) || d->seems_dead)
		return;
	if (!d->reset_method[0]) {
		/* Devices that were not named and have no driver are not worth a warning. */
		if (c->named || bind_on_vfio(c->host, d))
			tell_no_reset(c);
		return;
	}
	bool good = strstr(d->reset_method, "flr") || strstr(d->reset_method, "device_specific") ||
		    strstr(d->reset_method, "acpi");
	if (good || !check_is_display(c, d))
		return;
	/* vendor-reset has quirks for boards, not for the graphics of processors. */
	bool quirky = vendor_reset_knows(d) && check_is_card(c, d);
	check_found(c, CHECK_WARN, c->address,
		quirky ? "has no function level reset, and many cards of this family do not "
			 "survive the other resets: the second guest may find a dead card"
		       : "has no function level reset: not every card survives the other resets");
	check_seen(c, check_attribute_path(c, "reset_method", path, sizeof(path)), d->reset_method);
	if (quirky)
		check_fix(c,
			"load the module vendor-reset, which knows this card; "
			"echo device_specific > /sys/bus/pci/devices/%s/reset_method; "
			"then test the card: usher prove %s",
			c->address, c->address);
	else
		check_fix(c, "test it before you rely on it: usher prove");
}

void check_power(struct check_case *c)
{
	struct pci_sleep s;
	char path[FILE_PATH_MAX];

	if (c->device->is_bridge || c->device->seems_dead)
		return; /* P21 reports the latter */
	pci_sleep_read(c->host, c->device->address, &s);
	bool on_vfio = bind_on_vfio(c->host, c->device);
	/* A host driver knows how to wake its device, so any power state is fine. */
	if (strcmp(s.state, "D3cold") == 0 && (c->named || on_vfio)) {
		check_found(c, CHECK_WARN, c->address,
			"has no power (D3cold); some devices do not return from that state");
		check_seen(c, check_attribute_path(c, "power_state", path, sizeof(path)), s.state);
	} else if (on_vfio && strcmp(s.control, "auto") == 0 && s.cold[0] == '1') {
		check_found(c, CHECK_WARN, c->address,
			"may lose power while it is idle on a VFIO driver (D3cold)");
		check_seen(
			c, check_attribute_path(c, "d3cold_allowed", path, sizeof(path)), s.cold);
	} else {
		return;
	}
	check_fix(c,
		"if a guest fails with 'stuck in D3': "
		"echo 0 > /sys/bus/pci/devices/%s/d3cold_allowed",
		c->address);
}

static void check_resize(struct check_case *c, const struct pci_bar *b)
{
	char attr[32], text[32], path[FILE_PATH_MAX];
	uint64_t sizes;

	(void)snprintf(attr, sizeof(attr), "resource%u_resize", b->index);
	check_attribute_path(c, attr, path, sizeof(path));
	/* Bit N stands for 2^(N + 20) bytes. */
	if (host_read_text(c->host, path, text, sizeof(text)) <= 0 ||
		num_parse(text, 16, UINT64_MAX, &sizes) < 0 || !sizes)
		return;
	uint64_t least = (sizes & -sizes) << 20;
	if (b->size <= least)
		return;
	bool large = b->size >= BAR_LARGE;
	check_found(c, large ? CHECK_WARN : CHECK_INFO, c->address,
		"BAR %u is %" PRIu64 " MiB and can be %" PRIu64 " MiB%s", b->index, b->size >> 20,
		least >> 20, large ? ": not every guest firmware has room for it" : "");
	check_seen(c, path, text);
	check_fix(c, "to bind it with that size: usher bind %s --bar %u=%" PRIu64 "M", c->address,
		b->index, least >> 20);
}

/* As the plan of a guest says it; P08 has the framebuffers. */
static void check_held(struct check_case *c, const struct pci_bar *bars, int count)
{
	struct bind_member m = {.device = *c->device,
		.act = bind_on_vfio(c->host, c->device) ? BIND_ACT_ALREADY : BIND_ACT_TAKE,
		.framebuffer = "any"};
	char name[BIND_BUSY_NAME], value[BIND_BUSY_NAME * 4];
	cleanup_free char *iomem = NULL;

	if (!c->named || host_read_all(c->host, "/proc/iomem", &iomem) < 0)
		return;
	for (int i = 0; i < count; i++) {
		if (!bind_busy_find(iomem, &bars[i], &m, name))
			continue;
		file_escape(value, sizeof(value), name);
		check_found(c, CHECK_WARN, c->address,
			"%s holds a part of its BAR %u: while it does, each access of a guest to "
			"the BAR exits to the host",
			value, bars[i].index);
		check_seen(c, "/proc/iomem", value);
		check_fix(c, "unload or unbind on the host what holds it");
	}
}

void check_bars(struct check_case *c)
{
	struct pci_bar bars[PCI_BAR_MAX];
	char path[FILE_PATH_MAX], value[32];

	if (c->device->is_bridge)
		return;
	int n = pci_bar_read(c->host, c->device->address, bars, NULL);
	const struct kernlog_event *room = kernlog_find(&c->log, c->device->address, KERNLOG_ROOM);
	check_attribute_path(c, "resource", path, sizeof(path));
	for (int i = 0; i < n; i++) {
		const struct pci_bar *b = &bars[i];

		(void)snprintf(
			value, sizeof(value), "BAR %u, %" PRIu64 " bytes", b->index, b->size);
		if (!b->assigned && b->kind != PCI_BAR_ROM && b->kind != PCI_BAR_IO) {
			check_found(c, CHECK_WARN, c->address,
				"the host did not assign BAR %u (%" PRIu64
				" MiB): no address space is left",
				b->index, b->size >> 20);
			check_seen(c, path, value);
			if (room)
				check_logged_seen(c, room);
			check_fix(c, "enable 'Above 4G Decoding' in the firmware setup, "
				     "and for virtual functions SR-IOV and ARI");
		} else if (c->named && b->assigned && b->size < PAGE && b->kind != PCI_BAR_IO &&
			   b->kind != PCI_BAR_ROM && b->address % PAGE) {
			check_found(c, CHECK_INFO, c->address,
				"BAR %u shares its page with another BAR, "
				"so each guest access exits to the host",
				b->index);
			check_seen(c, path, value);
			check_fix(c, "pci=resource_alignment=%s on the kernel command line",
				c->address);
		}
		check_resize(c, b);
	}
	check_held(c, bars, n);
}

static int count_node(void *arg, const char *name)
{
	unsigned *n = arg;

	*n += strncmp(name, "node", 4) == 0 && name[4] >= '0' && name[4] <= '9';
	return 0;
}

void check_numa(struct check_case *c)
{
	char path[FILE_PATH_MAX], cpus[128] = "", value[16];
	unsigned nodes = 0;

	(void)c->host->ops->list(c->host, "/sys/devices/system/node", count_node, &nodes);
	if (nodes < 2)
		return;
	check_attribute_path(c, "numa_node", path, sizeof(path));
	(void)snprintf(value, sizeof(value), "%d", c->device->numa_node);
	if (c->device->numa_node < 0) {
		check_found(c, CHECK_WARN, c->address,
			"the firmware does not report which of %u NUMA nodes it is on", nodes);
		check_seen(c, path, value);
		check_fix(c, "look up the node in the board's manual, then: echo NODE > %s", path);
		return;
	}
	(void)check_attribute(c, "local_cpulist", cpus, sizeof(cpus));
	check_found(c, CHECK_INFO, c->address,
		"is on NUMA node %d: a guest on another node reaches it more slowly",
		c->device->numa_node);
	check_seen(c, path, value);
	check_fix(c,
		"give the guest memory and processors of that node: "
		"numactl --membind=%d --physcpubind=%s",
		c->device->numa_node, cpus[0] ? cpus : "CPUS");
}

/* "8.0 GT/s PCIe" */
static double speed_of(const char *text)
{
	double n = 0;

	return sscanf(text, "%lf", &n) == 1 ? n : 0;
}

void check_link(struct check_case *c)
{
	char speed[32], speed_max[32], width[16], width_max[16], path[FILE_PATH_MAX], value[80];

	if (check_attribute(c, "current_link_speed", speed, sizeof(speed)) <= 0 ||
		check_attribute(c, "max_link_speed", speed_max, sizeof(speed_max)) <= 0 ||
		check_attribute(c, "current_link_width", width, sizeof(width)) <= 0 ||
		check_attribute(c, "max_link_width", width_max, sizeof(width_max)) <= 0)
		return;
	if (speed_of(speed) >= speed_of(speed_max) && speed_of(width) >= speed_of(width_max))
		return;
	check_found(c, CHECK_INFO, c->address, "its link runs at %s x%s but supports %s x%s", speed,
		width, speed_max, width_max);
	(void)snprintf(value, sizeof(value), "%s x%s", speed, width);
	check_seen(c, check_attribute_path(c, "current_link_speed", path, sizeof(path)), value);
	check_fix(c, "many cards reduce the speed when idle; otherwise use a wider slot, "
		     "or clean the contacts");
}
