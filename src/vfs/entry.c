/* SPDX-License-Identifier: MIT */
#include "vfs/entry.h"

#include "base/err.h"
#include "bind/owner.h"
#include "bind/statefile.h"
#include "bind/stuck_writer.h"
#include "host/host.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ENTRY_MAX (512 + VFS_SETTINGS_MAX * (BIND_VF_SETTINGS_TEXT + 4)) /* [bytes] */

static void entry_format(const struct vfs_entry *n, char *buf, size_t size)
{
	char address[PCI_ADDRESS_TEXT], vf[BIND_VF_SETTINGS_TEXT];

	size_t len = (size_t)snprintf(buf, size,
		"usher-vfs 1\ndevice %s %04x:%04x\nboot %s\nstate %s\nwriter %d %" PRIu64
		"\nfirst %u %s\nbefore %u\n",
		pci_address_format(n->address, address), n->vendor, n->device, n->boot,
		n->changing ? "changing" : "changed", n->writer, n->writer_start, n->first,
		n->first_probes ? "yes" : "no", n->before);
	if (n->interface[0])
		len += (size_t)snprintf(buf + len, size - len, "interface %s\n", n->interface);
	for (size_t i = 0; i < n->settings_count; i++)
		len += (size_t)snprintf(buf + len, size - len, "vf %s\n",
			bind_vf_settings_format(&n->settings[i], vf));
	(void)snprintf(buf + len, size - len, "end\n");
}

/* The lines behind "before". */
static int parse_settings(const char *text, struct vfs_entry *n)
{
	char line[BIND_VF_SETTINGS_TEXT];
	int used = 0;

	if (sscanf(text, " interface %15s%n", n->interface, &used) == 1)
		text += used;
	while (sscanf(text, " vf %159[^\n]%n", line, &used) == 1) {
		if (n->settings_count == VFS_SETTINGS_MAX ||
			bind_vf_settings_parse(line, &n->settings[n->settings_count++]) < 0)
			return -EBADMSG;
		text += used;
	}
	return 0;
}

/* Whatever was read loosely has to come out as the same text again: that makes it strict. */
static int entry_parse(const char *text, struct vfs_entry *n)
{
	char address[PCI_ADDRESS_TEXT], state[9], probes[4], again[ENTRY_MAX];
	int used = 0;

	*n = (struct vfs_entry){0};
	if (sscanf(text,
		    "usher-vfs 1 device %19s %4hx:%4hx boot %39[0-9a-f-] state %8s writer %9d "
		    "%20" SCNu64 " first %5u %3s before %5u%n",
		    address, &n->vendor, &n->device, n->boot, state, &n->writer, &n->writer_start,
		    &n->first, probes, &n->before, &used) != 10 ||
		pci_address_parse(address, &n->address) < 0 || parse_settings(text + used, n) < 0)
		return -EBADMSG;
	n->changing = strcmp(state, "changing") == 0;
	n->first_probes = strcmp(probes, "yes") == 0;
	entry_format(n, again, sizeof(again));
	return strcmp(text, again) != 0 ? -EBADMSG : 0;
}

static int text_parse(const char *text, void *entry, struct pci_address *ret)
{
	struct vfs_entry *n = entry;

	int r = entry_parse(text, n);
	*ret = n->address;
	return r;
}

static const struct bind_statefile_kind kind = {"vfs", "entry of virtual functions", text_parse};

int vfs_entry_path(const struct bind_env *env, struct pci_address a, char *buf, size_t size)
{
	return bind_statefile_path(env, &kind, a, buf, size);
}

int vfs_entry_read(
	const struct bind_env *env, struct pci_address a, struct vfs_entry *ret, struct err *e)
{
	char text[ENTRY_MAX];

	return bind_statefile_read(env, &kind, a, text, sizeof(text), ret, e);
}

int vfs_entry_write(struct bind_transaction *w, const struct vfs_entry *n, struct err *e)
{
	char text[ENTRY_MAX];

	entry_format(n, text, sizeof(text));
	return bind_statefile_write(w, &kind, n->address, text, e);
}

int vfs_entry_remove(struct bind_transaction *w, struct pci_address a, struct err *e)
{
	return bind_statefile_remove(w, &kind, a, e);
}

enum bind_lease_state vfs_entry_judge(const struct bind_env *env, const struct vfs_entry *n,
	const char *boot, char *text, size_t size)
{
	if (strcmp(n->boot, boot) != 0) {
		(void)snprintf(text, size, "an entry of an earlier boot, which means nothing now");
		return BIND_LEASE_VOID;
	}
	if (bind_owner_alive(env->host, n->writer, n->writer_start)) {
		bind_stuck_writer_format(env->host, n->writer, "its virtual functions", text, size);
		return BIND_LEASE_BUSY;
	}
	if (n->changing) {
		(void)snprintf(
			text, size, "changing the number of its virtual functions was interrupted");
		return BIND_LEASE_BROKEN;
	}
	(void)snprintf(
		text, size, "has virtual functions made by hand, kept until they are removed");
	return BIND_LEASE_MANUAL;
}

int vfs_settings_read(struct host *h, struct vfs_entry *n, struct err *e)
{
	n->settings_count = 0;
	if (bind_vf_settings_interface(h, n->address, n->interface) < 0) {
		n->interface[0] = '\0';
		return 0;
	}
	int r = bind_vf_settings_list(h, n->interface, n->settings, VFS_SETTINGS_MAX);
	if (r < 0)
		return err_set(
			e, r, "%s: read the settings of its virtual functions", n->interface);
	n->settings_count = (size_t)r;
	return 0;
}

static const struct host_vf *find_settings(const struct host_vf *list, size_t count, uint32_t index)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].index == index)
			return &list[i];
	return NULL;
}

int vfs_settings_restore(
	struct bind_transaction *w, const struct vfs_entry *n, unsigned count, struct err *e)
{
	static const char what[] = "%s: read the settings of its virtual functions";
	struct host_vf now[VFS_SETTINGS_MAX];
	struct err why = {0};
	int first = 0;

	int have = n->settings_count && count ? bind_vf_settings_list(w->env->host, n->interface,
							now, VFS_SETTINGS_MAX)
					      : 0;
	if (have < 0)
		return err_set(e, have, what, n->interface);
	for (size_t i = 0; i < n->settings_count; i++) {
		if (n->settings[i].index >= count)
			continue;
		const struct host_vf *is = find_settings(now, (size_t)have, n->settings[i].index);
		int r = is ? bind_vf_settings_apply(
				     w->env, n->interface, is, &n->settings[i], first ? NULL : &why)
			   : err_set(first ? NULL : &why, -ENOENT, what, n->interface);
		if (r > 0)
			bind_transaction_count(w);
		if (r >= 0 || first)
			continue;
		first = r;
		*e = why;
	}
	return first;
}
