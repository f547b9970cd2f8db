/* SPDX-License-Identifier: MIT */
#include "desktop/entry.h"

#include "bind/owner.h"
#include "bind/statefile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ENTRY_MAX 4096 /* [bytes] with all consoles, modules and units */

static void entry_format(const struct desktop_entry *n, char buf[ENTRY_MAX])
{
	char address[PCI_ADDRESS_TEXT];

	size_t len = (size_t)snprintf(buf, ENTRY_MAX,
		"usher-desktop 1\ndevice %s %04x:%04x\nboot %s\nowner %d %" PRIu64
		"\nkeeper %d %" PRIu64 "\nvt %u\n",
		pci_address_format(n->address, address), n->vendor, n->device, n->boot,
		n->owner.pid, n->owner.start, n->keeper.pid, n->keeper.start, n->vt);
	for (size_t i = 0; i < n->console_count; i++)
		len += (size_t)snprintf(buf + len, ENTRY_MAX - len, "console %s\n", n->consoles[i]);
	for (size_t i = 0; i < n->module_count; i++)
		len += (size_t)snprintf(buf + len, ENTRY_MAX - len, "module %s\n", n->modules[i]);
	for (size_t i = 0; i < n->unit_count; i++)
		len += (size_t)snprintf(buf + len, ENTRY_MAX - len, "unit %s\n", n->units[i]);
	(void)snprintf(buf + len, ENTRY_MAX - len, "end\n");
}

static int parse_lists(const char *text, struct desktop_entry *n)
{
	int used = 0;

	for (; n->console_count < DESKTOP_CONSOLES_MAX; n->console_count++, text += used)
		if (sscanf(text, " console %63[^\n]%n", n->consoles[n->console_count], &used) != 1)
			break;
	for (; n->module_count < DESKTOP_MODULES_MAX; n->module_count++, text += used)
		if (sscanf(text, " module %31s%n", n->modules[n->module_count], &used) != 1)
			break;
		else if (!bind_name_ok(n->modules[n->module_count]) ||
			 n->modules[n->module_count][0] == '-')
			return -EBADMSG;
	for (; n->unit_count < DESKTOP_UNITS_MAX; n->unit_count++, text += used)
		if (sscanf(text, " unit %95s%n", n->units[n->unit_count], &used) != 1)
			break;
		else if (!desktop_unit_ok(n->units[n->unit_count]))
			return -EBADMSG;
	return 0;
}

/* Whatever was read loosely has to come out as the same text again: that makes it strict. */
static int entry_parse(const char *text, struct desktop_entry *n)
{
	char address[PCI_ADDRESS_TEXT], again[ENTRY_MAX];
	int used = 0;

	*n = (struct desktop_entry){0};
	if (sscanf(text,
		    "usher-desktop 1 device %19s %4hx:%4hx boot %39[0-9a-f-] owner %9d %20" SCNu64
		    " keeper %9d %20" SCNu64 " vt %2u%n",
		    address, &n->vendor, &n->device, n->boot, &n->owner.pid, &n->owner.start,
		    &n->keeper.pid, &n->keeper.start, &n->vt, &used) != 9 ||
		pci_address_parse(address, &n->address) < 0 || parse_lists(text + used, n) < 0)
		return -EBADMSG;
	entry_format(n, again);
	return strcmp(text, again) != 0 ? -EBADMSG : 0;
}

static int text_parse(const char *text, void *entry, struct pci_address *ret)
{
	struct desktop_entry *n = entry;

	int r = entry_parse(text, n);
	*ret = n->address;
	return r;
}

static const struct bind_statefile_kind kind = {"desktop", "entry of a desktop", text_parse};

int desktop_entry_read(
	const struct bind_env *env, struct pci_address a, struct desktop_entry *ret, struct err *e)
{
	char text[ENTRY_MAX];

	return bind_statefile_read(env, &kind, a, text, sizeof(text), ret, e);
}

int desktop_entry_write(struct bind_transaction *w, const struct desktop_entry *n, struct err *e)
{
	char text[ENTRY_MAX];

	entry_format(n, text);
	return bind_statefile_write(w, &kind, n->address, text, e);
}

int desktop_entry_remove(struct bind_transaction *w, struct pci_address a, struct err *e)
{
	return bind_statefile_remove(w, &kind, a, e);
}

static bool process_lives(const struct bind_env *env, const struct desktop_process *p)
{
	return p->pid != getpid() && bind_owner_alive(env->host, p->pid, p->start);
}

enum bind_lease_state desktop_entry_judge(const struct bind_env *env, const struct desktop_entry *n,
	const char *boot, char *text, size_t size)
{
	if (strcmp(n->boot, boot) != 0) {
		(void)snprintf(text, size, "an entry of an earlier boot, which means nothing now");
		return BIND_LEASE_VOID;
	}
	if (process_lives(env, &n->owner) || process_lives(env, &n->keeper)) {
		(void)snprintf(text, size,
			"has the desktop of this host stopped, until its guest ends (process %d)",
			process_lives(env, &n->owner) ? n->owner.pid : n->keeper.pid);
		return BIND_LEASE_LIVE;
	}
	(void)snprintf(text, size, "the desktop of this host was stopped for it, and not started");
	return BIND_LEASE_BROKEN;
}

static bool entry_name(const char *name, struct bind_lease *l)
{
	return pci_address_parse(name, &l->address) == 0;
}

static int entry_load(
	const struct bind_env *env, const char *boot, struct bind_lease *l, struct err *e)
{
	struct desktop_entry n;

	int r = desktop_entry_read(env, l->address, &n, e);
	if (r == 0)
		l->state = desktop_entry_judge(env, &n, boot, l->text, sizeof(l->text));
	return r;
}

int desktop_leases(
	const struct bind_env *env, struct bind_lease **ret, size_t *ret_count, struct err *e)
{
	static const struct bind_lease_folder folder = {"desktop", entry_name, entry_load};

	return bind_lease_walk(env, &folder, ret, ret_count, e);
}
