/* SPDX-License-Identifier: MIT */
#include "revive/entry.h"

#include "bind/owner.h"
#include "bind/statefile.h"
#include "bind/stuck_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ENTRY_MAX 16384 /* [bytes] with all settings and overrides */

struct writing {
	char *at;
	size_t size;
};

static void line_add(struct writing *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void line_add(struct writing *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(w->at, w->size, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < w->size) {
		w->at += n;
		w->size -= (size_t)n;
	}
}

static void entry_format(const struct revive_entry *n, char buf[ENTRY_MAX])
{
	struct writing w = {buf, ENTRY_MAX};
	char address[PCI_ADDRESS_TEXT];

	line_add(&w,
		"usher-revive 1\ndevice %s %04x:%04x\nboot %s\nwriter %d %" PRIu64
		"\nbus %04x:%02x\n",
		pci_address_format(n->address, address), n->vendor, n->device, n->boot, n->writer,
		n->writer_start, n->domain, n->bus);
	if (n->driver[0])
		line_add(&w, "driver %s\n", n->driver);
	if (n->slot[0])
		line_add(&w, "slot %s %s\n", n->slot, n->slot_on ? "on" : "off");
	if (n->has_link)
		line_add(&w, "link %s 0x%x 0x%04x\n", pci_address_format(n->port, address),
			n->control_at, n->control);
	for (size_t i = 0; i < n->setting_count; i++)
		line_add(&w, "set %s %s %s\n", pci_address_format(n->settings[i].address, address),
			n->settings[i].name, n->settings[i].value);
	for (size_t i = 0; i < n->kept_count; i++)
		line_add(&w, "keep %s %s %s\n", pci_address_format(n->kept[i].address, address),
			n->kept[i].driver, n->kept[i].bound ? "bound" : "free");
	line_add(&w, "end\n");
}

/* Restoring writes to these files and to no others, whatever an entry says. */
static bool setting_ok(const struct revive_setting *s)
{
	return strcmp(s->name, "power/control") == 0 || strcmp(s->name, "d3cold_allowed") == 0 ||
	       strcmp(s->name, "reset_method") == 0;
}

static int parse_settings(const char **text, struct revive_entry *n)
{
	char address[PCI_ADDRESS_TEXT];
	int used = 0;

	for (;; n->setting_count++) {
		struct revive_setting s = {0};
		if (sscanf(*text, " set %19s %23s %63[^\n]%n", address, s.name, s.value, &used) !=
			3)
			return 0;
		if (n->setting_count == REVIVE_SETTINGS_MAX || !setting_ok(&s) ||
			pci_address_parse(address, &s.address) < 0)
			return -EBADMSG;
		n->settings[n->setting_count] = s;
		*text += used;
	}
}

static int parse_kept(const char **text, struct revive_entry *n)
{
	char address[PCI_ADDRESS_TEXT], state[6];
	int used = 0;

	for (;; n->kept_count++) {
		struct revive_kept k = {0};
		if (sscanf(*text, " keep %19s %63s %5s%n", address, k.driver, state, &used) != 3)
			return 0;
		if (n->kept_count == REVIVE_KEPT_MAX || !bind_name_ok(k.driver) ||
			pci_address_parse(address, &k.address) < 0)
			return -EBADMSG;
		k.bound = strcmp(state, "bound") == 0;
		n->kept[n->kept_count] = k;
		*text += used;
	}
}

static int parse_port(const char **text, struct revive_entry *n)
{
	char state[4], port[PCI_ADDRESS_TEXT];
	int used = 0;

	if (sscanf(*text, " driver %63s%n", n->driver, &used) == 1)
		*text += used;
	if (sscanf(*text, " slot %63s %3s%n", n->slot, state, &used) == 2) {
		n->slot_on = strcmp(state, "on") == 0;
		if (strchr(n->slot, '/') || n->slot[0] == '.')
			return -EBADMSG;
		*text += used;
	} else {
		n->slot[0] = '\0';
	}
	if (sscanf(*text, " link %19s %6hx %6hx%n", port, &n->control_at, &n->control, &used) ==
		3) {
		n->has_link = true;
		if (pci_address_parse(port, &n->port) < 0)
			return -EBADMSG;
		*text += used;
	}
	return 0;
}

/* Whatever was read loosely has to come out as the same text again: that makes it strict. */
static int entry_parse(const char *text, struct revive_entry *n)
{
	char address[PCI_ADDRESS_TEXT], again[ENTRY_MAX];
	const char *at = text;
	int used = 0;

	*n = (struct revive_entry){0};
	if (sscanf(text,
		    "usher-revive 1 device %19s %4hx:%4hx boot %39[0-9a-f-] writer %9d %20" SCNu64
		    " bus %8x:%2hhx%n",
		    address, &n->vendor, &n->device, n->boot, &n->writer, &n->writer_start,
		    &n->domain, &n->bus, &used) != 8 ||
		pci_address_parse(address, &n->address) < 0)
		return -EBADMSG;
	at += used;
	if (parse_port(&at, n) < 0 || parse_settings(&at, n) < 0 || parse_kept(&at, n) < 0)
		return -EBADMSG;
	entry_format(n, again);
	return strcmp(text, again) != 0 ? -EBADMSG : 0;
}

static int text_parse(const char *text, void *entry, struct pci_address *ret)
{
	struct revive_entry *n = entry;

	int r = entry_parse(text, n);
	*ret = n->address;
	return r;
}

static const struct bind_statefile_kind kind = {"revive", "entry of a revival", text_parse};

int revive_entry_path(const struct bind_env *env, struct pci_address a, char *buf, size_t size)
{
	return bind_statefile_path(env, &kind, a, buf, size);
}

int revive_entry_read(
	const struct bind_env *env, struct pci_address a, struct revive_entry *ret, struct err *e)
{
	char text[ENTRY_MAX];

	return bind_statefile_read(env, &kind, a, text, sizeof(text), ret, e);
}

int revive_entry_write(struct bind_transaction *w, const struct revive_entry *n, struct err *e)
{
	char text[ENTRY_MAX];

	entry_format(n, text);
	return bind_statefile_write(w, &kind, n->address, text, e);
}

int revive_entry_remove(struct bind_transaction *w, struct pci_address a, struct err *e)
{
	return bind_statefile_remove(w, &kind, a, e);
}

enum bind_lease_state revive_entry_judge(const struct bind_env *env, const struct revive_entry *n,
	const char *boot, char *text, size_t size)
{
	if (strcmp(n->boot, boot) != 0) {
		(void)snprintf(text, size, "an entry of an earlier boot, which means nothing now");
		return BIND_LEASE_VOID;
	}
	if (bind_owner_alive(env->host, n->writer, n->writer_start)) {
		bind_stuck_writer_format(env->host, n->writer, "it", text, size);
		return BIND_LEASE_BUSY;
	}
	(void)snprintf(text, size, "reviving it was interrupted");
	return BIND_LEASE_BROKEN;
}
