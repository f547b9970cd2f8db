/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "control/value.h"
#include "daemon/kept.h"
#include "daemon/path.h"
#include "daemon/sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {[KEPT_LEASE] = "lease", [KEPT_GUEST] = "guest"};

const char *kept_kind_name(enum kept_kind kind)
{
	return kinds[kind];
}

const char *kept_interface(enum kept_kind kind)
{
	return kind == KEPT_LEASE ? BUS_NAME ".Lease" : BUS_NAME ".Guest";
}

const char *kept_path(const struct kept *k, char *buf)
{
	return bus_path(buf, kinds[k->kind], k->name);
}

/* Leases and guests on the bus: what each keeper has said last, as properties. */
static int kept_find(struct daemon *d, enum kept_kind kind, const char *path, void **ret)
{
	char name[128];

	if (!bus_path_name(path, kept_kind_name(kind), name, sizeof(name)))
		return 0;
	for (struct kept *k = d->kept; k; k = k->next)
		if (k->kind == kind && k->state && strcmp(k->name, name) == 0) {
			*ret = k;
			return 1;
		}
	return 0;
}

static int lease_find(sd_bus *bus, const char *path, const char *interface, void *arg, void **ret,
	sd_bus_error *error)
{
	return kept_find(arg, KEPT_LEASE, path, ret);
}

static int guest_find(sd_bus *bus, const char *path, const char *interface, void *arg, void **ret,
	sd_bus_error *error)
{
	return kept_find(arg, KEPT_GUEST, path, ret);
}

static int kept_enumerate(struct daemon *d, enum kept_kind kind, char ***ret)
{
	char path[PATH_MAX_BUS];
	size_t count = 0;

	for (const struct kept *k = d->kept; k; k = k->next)
		count++;
	char **nodes = calloc(count + 1, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	count = 0;
	for (const struct kept *k = d->kept; k; k = k->next)
		if (k->kind == kind && k->state)
			nodes[count++] = strdup(kept_path(k, path));
	*ret = nodes;
	return 0;
}

static int leases_enumerate(
	sd_bus *bus, const char *prefix, void *arg, char ***ret, sd_bus_error *error)
{
	return kept_enumerate(arg, KEPT_LEASE, ret);
}

static int guests_enumerate(
	sd_bus *bus, const char *prefix, void *arg, char ***ret, sd_bus_error *error)
{
	return kept_enumerate(arg, KEPT_GUEST, ret);
}

/* Properties: the key in the keeper's answer that each has. */
static const struct {
	const char *property, *key;
} keys[] = {{"Name", "name"}, {"State", "state"}, {"Engine", "engine"}, {"Keeper", "keeper"},
	{"Process", "pid"}, {"User", "user"}, {"Since", "since"}, {"Until", "until"},
	{"Memory", "memory"}, {"Processors", "cpus"}};

static const char *key_of(const char *property)
{
	for (size_t i = 0; i < COUNT(keys); i++)
		if (strcmp(keys[i].property, property) == 0)
			return keys[i].key;
	return "";
}

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	const struct kept *k = arg;
	const char *text = control_value_text(k->state, key_of(property));

	return sd_bus_message_append(reply, "s", text ? text : "");
}

static int get_number(sd_bus *bus, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	const struct kept *k = arg;
	int64_t n = 0;

	(void)control_value_number(k->state, key_of(property), &n);
	return sd_bus_message_append(reply, "t", (uint64_t)n);
}

static int get_detached(sd_bus *bus, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	const struct kept *k = arg;

	return sd_bus_message_append(reply, "b", control_value_flag(k->state, "detached"));
}

static int get_devices(sd_bus *bus, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	char buf[PATH_MAX_BUS], text[PCI_ADDRESS_TEXT];
	const struct kept *k = arg;

	int r = sd_bus_message_open_container(reply, 'a', "o");
	if (r < 0)
		return r;
	for (size_t i = 0; r >= 0 && i < k->device_count; i++)
		r = sd_bus_message_append(reply, "o",
			bus_path(buf, "device", pci_address_format(k->devices[i], text)));
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* Answered at the end of the lease, with why devices have not gone back. */
static int method_wait(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	struct kept *k = arg;
	int64_t user = -1;
	uid_t uid = (uid_t)-1;

	/* What is held for others is bounded, and nobody takes the borrower's room. */
	int r = sender_user(m, &uid);
	if (r < 0)
		return r;
	if (uid && (!control_value_number(k->state, "user", &user) || user != uid))
		return sd_bus_error_set_const(
			error, SD_BUS_ERROR_ACCESS_DENIED, "the lease is another user's");
	if (k->waiter_count == KEPT_WAITERS_MAX)
		return sd_bus_error_set_const(
			error, BUS_NAME ".Error.Busy", "too many wait for this lease");
	r = sd_bus_message_new_method_return(m, &k->waiters[k->waiter_count]);
	k->waiter_count += r >= 0;
	return r < 0 ? r : 1;
}

#define CONST SD_BUS_VTABLE_PROPERTY_CONST
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable lease_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Name", "s", get_text, 0, CONST),
	SD_BUS_PROPERTY("State", "s", get_text, 0, CHANGES),
	SD_BUS_PROPERTY("User", "t", get_number, 0, CONST),
	SD_BUS_PROPERTY("Process", "t", get_number, 0, CONST), /* 0: held by its key */
	SD_BUS_PROPERTY("Keeper", "t", get_number, 0, CONST),
	SD_BUS_PROPERTY("Since", "t", get_number, 0, CONST),
	SD_BUS_PROPERTY("Until", "t", get_number, 0, CONST), /* 0: it does not expire */
	SD_BUS_PROPERTY("Devices", "ao", get_devices, 0, CONST),
	SD_BUS_METHOD_WITH_ARGS("Wait", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", stuck), method_wait,
		SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable guest_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Name", "s", get_text, 0, CONST),
	SD_BUS_PROPERTY("State", "s", get_text, 0, CHANGES),
	SD_BUS_PROPERTY("Engine", "s", get_text, 0, CONST),
	SD_BUS_PROPERTY("Process", "t", get_number, 0, 0), /* 0: not started yet */
	SD_BUS_PROPERTY("Keeper", "t", get_number, 0, CONST),
	SD_BUS_PROPERTY("Since", "t", get_number, 0, 0),
	SD_BUS_PROPERTY("Memory", "t", get_number, 0, CONST), /* bytes; 0: of a program */
	SD_BUS_PROPERTY("Processors", "t", get_number, 0, CONST), /* likewise */
	SD_BUS_PROPERTY("Detached", "b", get_detached, 0, CONST),
	SD_BUS_PROPERTY("Devices", "ao", get_devices, 0, CHANGES),
	SD_BUS_VTABLE_END,
};

int kept_add_vtables(struct daemon *d)
{
	int r = sd_bus_add_fallback_vtable(d->bus, NULL, BUS_PATH "/lease",
		kept_interface(KEPT_LEASE), lease_vtable, lease_find, d);

	if (r < 0)
		return r;
	r = sd_bus_add_node_enumerator(d->bus, NULL, BUS_PATH "/lease", leases_enumerate, d);
	if (r < 0)
		return r;
	r = sd_bus_add_fallback_vtable(d->bus, NULL, BUS_PATH "/guest", kept_interface(KEPT_GUEST),
		guest_vtable, guest_find, d);
	if (r < 0)
		return r;
	return sd_bus_add_node_enumerator(d->bus, NULL, BUS_PATH "/guest", guests_enumerate, d);
}
