/* SPDX-License-Identifier: MIT */
#include "daemon/claims.h"

#include "base/err.h"
#include "base/file.h"
#include "claim/claim.h"
#include "daemon/hardware.h"
#include "daemon/path.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

struct claim_list {
	size_t count;
	struct claim *claims;
	struct claim_judgement *where; /* one for each */
};

static void list_free(struct claim_list *l)
{
	if (!l)
		return;
	free(l->claims);
	free(l->where);
	free(l);
}

static struct claim_list *list_read(struct daemon *d)
{
	struct claim_list *l = calloc(1, sizeof(*l));
	struct err e = {0};

	if (l && claim_list(d->host, CLAIMS_DIR, &l->claims, &l->count, &e) >= 0 &&
		claim_judge_among(
			d->host, d->devices, d->device_count, l->claims, l->count, &l->where) >= 0)
		return l;
	list_free(l);
	return NULL;
}

static bool is_somewhere(const struct claim_judgement *where)
{
	return where->standing == CLAIM_STANDING_AT || where->standing == CLAIM_STANDING_MOVED;
}

/* Return: its index; @l->count: it is not there. */
static size_t list_find(const struct claim_list *l, const char *name)
{
	size_t i = 0;

	while (l && i < l->count && strcmp(l->claims[i].name, name) != 0)
		i++;
	return i;
}

static bool list_has(const struct claim_list *l, const char *name)
{
	return l && list_find(l, name) < l->count;
}

/* Tells of those in @here that @there has not. */
static void list_tell(struct daemon *d, const struct claim_list *here,
	const struct claim_list *there, int (*emit)(sd_bus *bus, const char *path))
{
	char path[PATH_MAX_BUS];

	for (size_t i = 0; here && i < here->count; i++)
		if (!list_has(there, here->claims[i].name))
			(void)emit(d->bus, bus_path(path, "claim", here->claims[i].name));
}

static void changes_tell(struct daemon *d, const struct claim_list *before)
{
	const struct claim_list *now = d->claims;
	char path[PATH_MAX_BUS];

	for (size_t i = 0; now && i < now->count; i++) {
		const size_t was = before ? list_find(before, now->claims[i].name) : 0;
		if (before && was < before->count &&
			strcmp(before->where[was].text, now->where[i].text) != 0)
			(void)sd_bus_emit_properties_changed(d->bus,
				bus_path(path, "claim", now->claims[i].name), BUS_NAME ".Claim",
				"State", "Text", "Device", NULL);
	}
	list_tell(d, now, before, sd_bus_emit_object_added);
}

void claims_read(struct daemon *d)
{
	struct claim_list *before = d->claims;

	d->claims = list_read(d);
	changes_tell(d, before);
	list_tell(d, before, d->claims, sd_bus_emit_object_removed);
	list_free(before);
}

static int on_folder(sd_event_source *source, const struct inotify_event *event, void *arg)
{
	claims_read(arg);
	return 0;
}

int claims_watch(struct daemon *d)
{
	/* Without the folder there is no claim yet, and nothing to watch. */
	if (file_mkdirs(CLAIMS_DIR, 0755) >= 0)
		(void)sd_event_add_inotify(d->event, NULL, CLAIMS_DIR,
			IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE, on_folder, d);
	claims_read(d);
	return 0;
}

void claims_close(struct daemon *d)
{
	list_free(d->claims);
	d->claims = NULL;
}

bool claims_device(const struct daemon *d, const char *name, char *ret)
{
	const struct claim_list *l = d->claims;

	if (!list_has(l, name))
		return false;
	const struct claim_judgement *where = &l->where[list_find(l, name)];
	if (!is_somewhere(where))
		return false;
	(void)pci_address_format(where->device.address, ret);
	return true;
}

static int claim_find(sd_bus *bus, const char *path, const char *interface, void *arg, void **ret,
	sd_bus_error *error)
{
	const struct daemon *d = arg;
	char name[CLAIM_NAME_MAX];

	if (!bus_path_name(path, "claim", name, sizeof(name)) || !list_has(d->claims, name))
		return 0;
	*ret = arg;
	return 1;
}

static int claims_enumerate(
	sd_bus *bus, const char *prefix, void *arg, char ***ret, sd_bus_error *error)
{
	const struct daemon *d = arg;
	const size_t count = d->claims ? d->claims->count : 0;
	char path[PATH_MAX_BUS], **nodes = calloc(count + 1, sizeof(*nodes));

	if (!nodes)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		nodes[i] = strdup(bus_path(path, "claim", d->claims->claims[i].name));
	*ret = nodes;
	return 0;
}

static int get_device_path(sd_bus_message *reply, const struct claim_judgement *where)
{
	char path[PATH_MAX_BUS], address[PCI_ADDRESS_TEXT];

	return sd_bus_message_append(reply, "o",
		is_somewhere(where) ? bus_path(path, "device",
					      pci_address_format(where->device.address, address))
				    : "/");
}

static int get_claim(sd_bus *bus, const char *path, const char *interface, const char *property,
	sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	const struct claim_list *l = ((const struct daemon *)arg)->claims;
	char name[CLAIM_NAME_MAX], address[PCI_ADDRESS_TEXT];
	const size_t i =
		l && bus_path_name(path, "claim", name, sizeof(name)) ? list_find(l, name) : 0;

	if (!l || i >= l->count)
		return -ENOENT;
	const struct claim *c = &l->claims[i];
	if (strcmp(property, "Device") == 0)
		return get_device_path(reply, &l->where[i]);
	if (strcmp(property, "VirtualFunctions") == 0)
		return sd_bus_message_append(reply, "u", (uint32_t)c->vfs);
	return sd_bus_message_append(reply, "s",
		strcmp(property, "Name") == 0     ? c->name
		: strcmp(property, "State") == 0  ? claim_standing_name(l->where[i].standing)
		: strcmp(property, "Text") == 0   ? l->where[i].text
		: strcmp(property, "Driver") == 0 ? c->driver
		: strcmp(property, "User") == 0   ? c->user
						  : pci_address_format(c->address, address));
}

#define CONST SD_BUS_VTABLE_PROPERTY_CONST
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable claim_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Name", "s", get_claim, 0, CONST),
	SD_BUS_PROPERTY("Address", "s", get_claim, 0, CONST), /* when it was claimed */
	SD_BUS_PROPERTY("Driver", "s", get_claim, 0, CONST), /* "": the one that fits best */
	SD_BUS_PROPERTY("User", "s", get_claim, 0, CONST), /* "": root */
	SD_BUS_PROPERTY("VirtualFunctions", "u", get_claim, 0, CONST),
	SD_BUS_PROPERTY("State", "s", get_claim, 0, CHANGES), /* at, moved, missing, other, void */
	SD_BUS_PROPERTY("Text", "s", get_claim, 0, CHANGES),
	SD_BUS_PROPERTY("Device", "o", get_claim, 0, CHANGES), /* where it is now; "/": nowhere */
	SD_BUS_VTABLE_END,
};

int claims_add_vtables(struct daemon *d)
{
	int r = sd_bus_add_fallback_vtable(
		d->bus, NULL, BUS_PATH "/claim", BUS_NAME ".Claim", claim_vtable, claim_find, d);

	return r < 0 ? r
		     : sd_bus_add_node_enumerator(
			       d->bus, NULL, BUS_PATH "/claim", claims_enumerate, d);
}
