/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/bind.h"
#include "bind/gate.h"
#include "bind/owner.h"
#include "check/bootwords.h"
#include "check/rule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Rules about other owners: usher's own journal, other tools and the addresses in their files. */

static void check_lease(struct check_case *c, const struct bind_lease *l)
{
	char object[32], path[64];

	if (l->state != BIND_LEASE_BROKEN && l->state != BIND_LEASE_DEAD &&
		l->state != BIND_LEASE_CORRUPT)
		return;
	(void)snprintf(object, sizeof(object), "group %d", l->group);
	(void)snprintf(path, sizeof(path), BIND_STATE_DIR "/journal/%d", l->group);
	check_found(c, CHECK_WARN, object, "was left half bound");
	check_seen(c, path, l->text);
	check_fix(c, "usher restore");
}

/* On a VFIO driver, not open, and without a journal entry. */
static void check_unclaimed(struct check_case *c, const struct bind_lease *leases, size_t count,
	const struct pci_device *d)
{
	char address[PCI_ADDRESS_TEXT], path[FILE_PATH_MAX];

	if (!bind_on_vfio(c->host, d) || check_claims_hold(c, d->address))
		return;
	for (size_t i = 0; i < count; i++)
		if (leases[i].group == d->group && leases[i].state != BIND_LEASE_VOID)
			return;
	pci_address_format(d->address, address);
	check_found(c, CHECK_INFO, address,
		"is bound to %s, but not by usher: manually, by another tool or at boot",
		d->driver);
	(void)pci_device_path(d->address, "driver", path, sizeof(path));
	check_seen(c, path, d->driver);
	check_fix(c, "usher release %s", address);
}

/*
 * What a person wanted decides: VFIO, then `usher bind` does all of it; or the device's own driver,
 * which an empty override and a probe bring back.
 */
static void fix_override(
	struct check_case *c, const struct pci_device *d, const char *override, const char *path)
{
	char address[PCI_ADDRESS_TEXT], probe[96] = "";

	pci_address_format(d->address, address);
	if (!d->driver[0])
		(void)snprintf(
			probe, sizeof(probe), "; echo %s > /sys/bus/pci/drivers_probe", address);
	if (strncmp(override, "vfio", 4) == 0)
		check_fix(c, "to lend it: usher bind %s; for its own driver: echo > %s%s", address,
			path, probe);
	else
		check_fix(c, "for its own driver: echo > %s%s", path, probe);
}

/* A stale driver_override prevents the next probe. */
static void check_override(struct check_case *c, const struct pci_device *d)
{
	char address[PCI_ADDRESS_TEXT], path[FILE_PATH_MAX], text[PCI_NAME_MAX];

	if (d->is_bridge ||
		pci_device_path(d->address, "driver_override", path, sizeof(path)) < 0 ||
		bind_is_platform(d))
		return;
	pci_address_format(d->address, address);
	int r = host_read_text(c->host, path, text, sizeof(text));
	if (r == -ETIMEDOUT) {
		check_found(c, CHECK_WARN, address,
			"a driver or the kernel holds its device lock and does not release it");
		check_seen(c, path, "did not answer");
		check_fix(c,
			"stop the process that uses it: usher check %s; "
			"else look for the driver that hangs: dmesg",
			address);
	}
	if (r <= 0)
		return;
	if (strcmp(text, "(null)") == 0 || strcmp(text, d->driver) == 0)
		return;
	if (d->driver[0])
		check_found(c, CHECK_WARN, address,
			"has an override for driver '%s' but is bound to %s, "
			"which will not bind it again",
			text, d->driver);
	else
		check_found(c, CHECK_WARN, address,
			"has an override for driver '%s' but no driver: "
			"nothing has probed it since the override was written",
			text);
	check_seen(c, path, text);
	fix_override(c, d, text, path);
}

#define OVERRIDES_MAX 256 /* on a live host each read costs a process: see host/locked.h */

void check_stale(struct check_case *c)
{
	struct bind_env env = bind_env_live();
	cleanup_free struct bind_lease *leases = NULL;
	size_t count = 0;

	env.host = c->host;
	int r = bind_leases(&env, &leases, &count, NULL);
	if (r < 0)
		check_blind(c, BIND_STATE_DIR "/journal", r);
	for (size_t i = 0; i < count; i++)
		check_lease(c, &leases[i]);
	for (size_t i = 0; i < c->device_count; i++) {
		check_unclaimed(c, leases, count, &c->devices[i]);
		/* check_claims() reports claimed devices that are not on VFIO. */
		if (i < OVERRIDES_MAX && !check_claims_hold(c, c->devices[i].address))
			check_override(c, &c->devices[i]);
	}
	check_claims(c);
}

/* A directory in which another tool keeps a file for each device or guest. */
struct owner {
	const char *folder;
	const char *front; /* of the names that count */
	const char *who;
	const char *fix;
};

static const struct owner owners[] = {
	{"/etc/driverctl.d", "pci-", "driverctl", "driverctl unset-override DEVICE"},
	{"/etc/mdevctl.d", "0000:", "mdevctl", "mdevctl undefine --uuid=UUID"},
};

struct owned {
	struct check_case *c;
	const struct owner *o;
};

static int check_owned(void *arg, const char *name)
{
	const struct owned *w = arg;
	struct check_case *c = w->c;
	char path[FILE_PATH_MAX];
	size_t front = strlen(w->o->front);
	cleanup_free char *text = NULL;

	if (strncmp(name, w->o->front, front) != 0 ||
		file_path(path, sizeof(path), "%s/%s", w->o->folder, name) < 0)
		return 0;
	bool has = host_read_all(c->host, path, &text) >= 0;
	check_found(c, CHECK_WARN, name + front, "is also managed by another tool: %s", w->o->who);
	if (has)
		text[strcspn(text, "\n")] = '\0';
	check_seen(c, path, has ? text : "exists");
	check_fix(c, "let only one of the two manage it: %s", w->o->fix);
	return 0;
}

/* A file of lines, each about one device. */
static void check_lines(
	struct check_case *c, const char *path, const char *who, const char *mark, const char *fix)
{
	cleanup_free char *text = NULL;
	char *save = NULL;
	struct pci_address a;
	char word[40], address[PCI_ADDRESS_TEXT];

	if (host_read_all(c->host, path, &text) < 0)
		return;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *at = strstr(line, mark);

		if (line[strspn(line, " \t")] == '#' || !at)
			continue;
		(void)snprintf(word, sizeof(word), "%.*s",
			(int)strspn(at + strlen(mark), "0123456789abcdefABCDEF:."),
			at + strlen(mark));
		if (pci_address_parse(word, &a) < 0)
			continue;
		check_found(c, CHECK_WARN, pci_address_format(a, address),
			"is also managed by another tool: %s", who);
		check_seen(c, path, line);
		check_fix(c, "let only one of the two manage it: %s", fix);
	}
}

void check_owners(struct check_case *c)
{
	for (size_t i = 0; i < COUNT(owners); i++) {
		struct owned w = {c, &owners[i]};

		(void)c->host->ops->list(c->host, owners[i].folder, check_owned, &w);
	}
	check_domains(c);
	check_running(c);
	check_lines(c, "/run/qemu-server/pci-id-reservations", "a running Proxmox guest", "",
		"qm set VMID --delete hostpci0");
	check_lines(c, "/etc/dpdk/interfaces", "DPDK, at each boot", "pci/",
		"remove its line from /etc/dpdk/interfaces");
}

/* A record of another tool: the device that it expects at an address. */
static void check_noted(struct check_case *c, const char *path, const char *line,
	struct pci_address a, const char *ids)
{
	unsigned vendor, device;
	char now[PCI_ADDRESS_TEXT] = "";

	if (!pci_address_equal(a, c->device->address) ||
		sscanf(ids, "%4x:%4x", &vendor, &device) != 2 ||
		(vendor == c->device->vendor && device == c->device->device))
		return;
	for (size_t i = 0; i < c->device_count && !now[0]; i++)
		if (c->devices[i].vendor == vendor && c->devices[i].device == device)
			pci_address_format(c->devices[i].address, now);
	check_found(c, CHECK_FAIL, c->address,
		"is %04x:%04x but was recorded as %04x:%04x: addresses have changed%s%s",
		c->device->vendor, c->device->device, vendor, device,
		now[0] ? ", that device is now at " : "", now);
	check_seen(c, path, line);
	check_fix(c, now[0] ? "change the address to %s" : "remove the entry: the device is gone%s",
		now);
}

/* The next "ADDRESS|VVVV:DDDD" of Unraid's list. */
static void read_unraid(struct check_case *c, const char *path, const char *line)
{
	const char *at = strncmp(line, "BIND=", 5) == 0 ? line + 5 : "";
	struct pci_address a;
	char word[64];

	while (boot_next_word(&at, word, sizeof(word))) {
		char *ids = strchr(word, '|');

		if (!ids)
			continue;
		*ids++ = '\0';
		if (pci_address_parse(word, &a) == 0)
			check_noted(c, path, line, a, ids);
	}
}

/* Proxmox: "map id=10de:2484,iommugroup=14,node=pve,path=0000:01:00.0". */
static void read_proxmox(struct check_case *c, const char *path, const char *line)
{
	char text[512], ids[16] = "", address[PCI_ADDRESS_TEXT] = "", *save = NULL;
	struct pci_address a;

	line += strspn(line, " \t");
	if (strncmp(line, "map ", 4) != 0)
		return;
	(void)snprintf(text, sizeof(text), "%s", line + 4);
	for (char *w = strtok_r(text, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		if (strncmp(w, "id=", 3) == 0)
			(void)snprintf(ids, sizeof(ids), "%.15s", w + 3);
		else if (strncmp(w, "path=", 5) == 0)
			(void)snprintf(address, sizeof(address), "%.19s", w + 5);
	}
	if (pci_address_parse(address, &a) == 0)
		check_noted(c, path, line, a, ids);
}

void check_identity(struct check_case *c)
{
	static const struct {
		const char *path;
		void (*read)(struct check_case *c, const char *path, const char *line);
	} notes[] = {
		{"/boot/config/vfio-pci.cfg", read_unraid},
		{"/etc/pve/mapping/pci.cfg", read_proxmox},
	};

	for (size_t i = 0; i < COUNT(notes); i++) {
		cleanup_free char *text = NULL;
		char *save = NULL;

		if (host_read_all(c->host, notes[i].path, &text) < 0)
			continue;
		for (char *line = strtok_r(text, "\n", &save); line;
			line = strtok_r(NULL, "\n", &save))
			notes[i].read(c, notes[i].path, line);
	}
	check_claimed(c);
}
