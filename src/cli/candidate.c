/* SPDX-License-Identifier: MIT */
/*
 * The words that a shell offers, one a line, with a remark behind a tab. A line that begins with
 * ':' leaves the rest to the shell: ":file", ":snapshot", ":command". What cannot be read is left
 * out: a shell has no place for messages.
 */
#include "cli/candidate.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/checks.h"
#include "bind/gate.h"
#include "claim/claim.h"
#include "cli/guest.h"
#include "cli/lease.h"
#include "cli/saved.h"
#include "control/value.h"
#include "host/host.h"
#include "pci/class.h"
#include "pci/device.h"
#include "pci/vfs.h"
#include "view/column.h"
#include "view/lookup.h"
#include "view/topic.h"

#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void candidate_put(const char *part, const char *word, const char *about)
{
	char safe[FILE_PATH_MAX];

	if (strncmp(word, part, strlen(part)) != 0)
		return;
	file_escape(safe, sizeof(safe), word);
	/* An escaped word would not be the one that is meant. */
	if (strcmp(safe, word) != 0 || !*word)
		return;
	if (about)
		(void)printf("%s\t%s\n", word, about);
	else
		(void)puts(word);
}

/* Words that are separated by blanks. */
static void put_words(const char *part, const char *words)
{
	char word[64];

	for (size_t n; *words; words += n + (words[n] == ' ')) {
		n = strcspn(words, " ");
		(void)snprintf(word, sizeof(word), "%.*s", (int)n, words);
		candidate_put(part, word, NULL);
	}
}

static bool is_offered(struct host *h, enum complete_value v, const struct pci_device *d)
{
	if (v == COMPLETE_TAKEN)
		return bind_on_vfio(h, d);
	if (v == COMPLETE_PHYSICAL)
		return pci_vfs_read(h, d->address).total != 0;
	return !d->is_bridge || v == COMPLETE_ADDRESS;
}

/* "0000:01:00.0"; as the user writes it: without the domain as well. */
static void put_address(const char *part, const struct pci_device *d)
{
	char address[PCI_ADDRESS_TEXT];
	const char *word = pci_address_format(d->address, address);

	if (strncmp(word, part, strlen(part)) != 0 && strncmp(word, "0000:", 5) == 0)
		word += 5;
	candidate_put(part, word, pci_class_name(d->class));
}

static void put_names(struct host *h, const char *part)
{
	bool is_node = strncmp(part, "/dev/", 5) == 0;
	struct lookup_names names = {0};
	char word[FILE_PATH_MAX], address[PCI_ADDRESS_TEXT];

	if (lookup_names_read(h, &names) == 0) {
		for (size_t i = 0; i < names.count; i++) {
			const struct lookup_name *n = &names.list[i];

			if (file_path(word, sizeof(word), "%s%s", is_node ? "/dev/" : "",
				    n->name) == 0)
				candidate_put(part, word, pci_address_format(n->address, address));
		}
	}
	lookup_names_fini(&names);
}

static void put_devices(struct host *h, enum complete_value v, const char *part)
{
	cleanup_free struct pci_device *list = NULL;
	size_t count = 0;

	if (pci_device_list(h, &list, &count, NULL) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		if (is_offered(h, v, &list[i]))
			put_address(part, &list[i]);
	if (v == COMPLETE_DEVICE)
		put_names(h, part);
}

/* A property of the devices here, each value once. */
static void put_property(struct host *h, enum complete_value v, const char *part)
{
	cleanup_free struct pci_device *list = NULL;
	char seen[8192] = " ", word[128], key[sizeof(word) + 2];
	size_t count = 0, len = 1;

	if (pci_device_list(h, &list, &count, NULL) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct pci_device *d = &list[i];

		if (v == COMPLETE_DRIVER)
			(void)snprintf(word, sizeof(word), "%s", d->driver);
		else if (v == COMPLETE_ID)
			(void)snprintf(word, sizeof(word), "%04x:%04x", d->vendor, d->device);
		else if (d->group != PCI_GROUP_NONE)
			(void)snprintf(word, sizeof(word), "%d", d->group);
		else
			continue;
		int n = snprintf(key, sizeof(key), " %s ", word);
		if (strstr(seen, key) || len + (size_t)n >= sizeof(seen))
			continue;
		len += (size_t)snprintf(seen + len, sizeof(seen) - len, "%s ", word);
		candidate_put(part, word, v == COMPLETE_ID ? pci_class_name(d->class) : NULL);
	}
}

static int put_vfio(void *arg, const char *name)
{
	if (strstr(name, "vfio") && strcmp(name, "vfio-pci") != 0)
		candidate_put(arg, name, NULL);
	return 0;
}

/* vfio-pci need not be loaded: a bind loads it. */
static void put_vfio_drivers(struct host *h, const char *part)
{
	candidate_put(part, "vfio-pci", NULL);
	(void)h->ops->list(h, "/sys/bus/pci/drivers", put_vfio, (void *)(uintptr_t)part);
}

static void put_claims(struct host *h, const char *part)
{
	cleanup_free struct claim *list = NULL;
	char address[PCI_ADDRESS_TEXT];
	size_t count = 0;

	if (claim_list(h, CLAIMS_DIR, &list, &count, NULL) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		candidate_put(part, list[i].name,
			list[i].bad[0] ? "void" : pci_address_format(list[i].address, address));
}

/* "address,dri": completes the last one. */
static void put_columns(const char *part)
{
	const char *comma = strrchr(part, ',');
	size_t n = comma ? (size_t)(comma - part) + 1 : *part == '+';
	char word[512];

	for (unsigned i = 0; column_name_at(i); i++) {
		(void)snprintf(word, sizeof(word), "%.*s%s", (int)n, part, column_name_at(i));
		candidate_put(part, word, NULL);
	}
}

/* Those that an option can skip. */
static void put_checks(const char *part)
{
	const struct bind_check *c;

	for (size_t i = 0; (c = bind_check_at(i)); i++)
		if (c->lift != BIND_LIFT_NEVER)
			candidate_put(part, c->name, NULL);
}

static void put_accounts(enum complete_value v, const char *part)
{
	const struct passwd *u;
	const struct group *g;

	while (v == COMPLETE_USER && (u = getpwent()))
		candidate_put(part, u->pw_name, NULL);
	while (v == COMPLETE_USER_GROUP && (g = getgrent()))
		candidate_put(part, g->gr_name, NULL);
}

static void put_variables(const char *part)
{
	char word[256];

	for (char **at = environ; at && *at; at++) {
		(void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(*at, "="), *at);
		candidate_put(part, word, NULL);
	}
}

static void put_verbs(const char *part)
{
	for (unsigned i = 0; verb_at(i); i++)
		candidate_put(part, verb_at(i)->name, verb_at(i)->summary);
	for (unsigned i = 0; topic_at(i); i++)
		candidate_put(part, topic_at(i)->name, "topic");
}

/* Classes that --class finds by a part of the name: the first word of each name here. */
static void put_classes(struct host *h, const char *part)
{
	cleanup_free struct pci_device *list = NULL;
	char word[64], seen[1024] = " ", key[sizeof(word) + 2];
	size_t count = 0, len = 1;

	if (pci_device_list(h, &list, &count, NULL) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		const char *name = pci_class_name(list[i].class);

		(void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(name, " "), name);
		int n = snprintf(key, sizeof(key), " %s ", word);
		if (strstr(seen, key) || len + (size_t)n >= sizeof(seen))
			continue;
		len += (size_t)snprintf(seen + len, sizeof(seen) - len, "%s ", word);
		candidate_put(part, word, name);
	}
}

static void put_lease(void *part, const char *name)
{
	candidate_put(part, name, NULL);
}

static int put_guest(void *arg, const char *name)
{
	candidate_put(arg, name, NULL);
	return 0;
}

static int put_port(void *arg, const char *key, const struct control_value *port)
{
	const char *name = control_value_text(port, "name");

	if (name)
		candidate_put(arg, name, control_value_text(port, "end"));
	return 0;
}

/* The guest's keeper knows them. */
static void put_ports(const char *guest, const char *part)
{
	struct control_link link = CONTROL_LINK_NONE;
	struct control_value *state = NULL;

	if (guest && control_connect(guest_run_dir(guest), guest, &link, NULL) == 0 &&
		control_ask(&link, "{\"command\":\"state\"}\n", &state, NULL) == 0)
		(void)control_value_each(
			control_value_member(state, "ports"), put_port, (void *)(uintptr_t)part);
	control_value_free(state);
	control_disconnect(&link);
}

/* What usher keeps by name. */
static void put_kept(struct host *h, struct complete_type type, const char *part)
{
	if (type.value == COMPLETE_CLAIM)
		put_claims(h, part);
	else if (type.value == COMPLETE_PORT)
		put_ports(type.words, part);
	else if (type.value == COMPLETE_SAVED)
		(void)saved_each(put_guest, (void *)(uintptr_t)part);
	else if (type.value == COMPLETE_LEASE)
		leases_each(put_lease, (void *)(uintptr_t)part);
	else
		(void)guests_each(put_guest, (void *)(uintptr_t)part);
}

/* What a shell completes itself. */
static const char *const shell[] = {[COMPLETE_FILE] = ":file",
	[COMPLETE_SNAPSHOT] = ":snapshot",
	[COMPLETE_COMMAND] = ":command"};

void candidates_print(struct complete_type type, struct host *h, const char *part)
{
	switch (type.value) {
	case COMPLETE_UNKNOWN:
	case COMPLETE_NOTHING:
		return;
	case COMPLETE_FILE:
	case COMPLETE_SNAPSHOT:
	case COMPLETE_COMMAND:
		(void)puts(shell[type.value]);
		return;
	case COMPLETE_DEVICE:
	case COMPLETE_ADDRESS:
	case COMPLETE_TAKEN:
	case COMPLETE_PHYSICAL:
		put_devices(h, type.value, part);
		return;
	case COMPLETE_CLAIM:
	case COMPLETE_GUEST:
	case COMPLETE_SAVED:
	case COMPLETE_LEASE:
	case COMPLETE_PORT:
		put_kept(h, type, part);
		return;
	case COMPLETE_VFIO_DRIVER:
		put_vfio_drivers(h, part);
		return;
	case COMPLETE_DRIVER:
	case COMPLETE_ID:
	case COMPLETE_GROUP:
		put_property(h, type.value, part);
		return;
	case COMPLETE_CLASS:
		put_classes(h, part);
		return;
	case COMPLETE_COLUMN:
		put_columns(part);
		return;
	case COMPLETE_CHECK:
		put_checks(part);
		return;
	case COMPLETE_USER:
	case COMPLETE_USER_GROUP:
		put_accounts(type.value, part);
		return;
	case COMPLETE_VARIABLE:
		put_variables(part);
		return;
	case COMPLETE_VERB:
		put_verbs(part);
		return;
	case COMPLETE_COMMANDS:
	case COMPLETE_WORD:
		put_words(part, type.words ? type.words : "pause resume reset resize link balloon");
		return;
	}
}
