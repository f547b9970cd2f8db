/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "bind/env.h"
#include "bind/journal.h"
#include "bind/owner.h"
#include "bind/refusal.h"
#include "host/host.h"
#include "metrics/collect.h"
#include "pci/aer.h"
#include "pci/device.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct devices {
	struct pci_device *list;
	size_t count;
};

static const char *driver_of(const struct pci_device *d)
{
	return d->driver[0] ? d->driver : "none";
}

/* The number of functions of the driver of @first; 0 if an earlier one has that driver. */
static uint64_t functions_count(const struct devices *d, size_t first)
{
	uint64_t count = 0;

	for (size_t i = 0; i < d->count; i++) {
		if (strcmp(d->list[i].driver, d->list[first].driver) != 0)
			continue;
		if (i < first)
			return 0;
		count++;
	}
	return count;
}

/* Whether no earlier function is of the same group and driver. */
static bool pair_is_first(const struct devices *d, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (d->list[i].group == d->list[at].group &&
			strcmp(d->list[i].driver, d->list[at].driver) == 0)
			return false;
	return true;
}

static uint64_t groups_count(const struct devices *d, const char *driver)
{
	uint64_t count = 0;

	for (size_t i = 0; i < d->count; i++)
		count += d->list[i].group >= 0 && strcmp(d->list[i].driver, driver) == 0 &&
			 pair_is_first(d, i);
	return count;
}

static void drivers_add(struct metrics *m, const struct devices *d)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct metric_label of[] = {{"driver", driver_of(&d->list[i])}, {0}};
		const uint64_t functions = functions_count(d, i);
		if (!functions)
			continue;
		metrics_add(m, METRIC_DEVICES, functions, of);
		const uint64_t groups = groups_count(d, d->list[i].driver);
		if (groups)
			metrics_add(m, METRIC_GROUPS, groups, of);
	}
	if (!d->count)
		metrics_add(m, METRIC_DEVICES, 0, NULL);
}

/* Of a function that is lent, its counters are always there; of others, those that count. */
static void errors_add(struct metrics *m, struct host *h, const struct pci_device *d)
{
	char address[PCI_ADDRESS_TEXT];
	struct pci_aer_count c;

	(void)pci_address_format(d->address, address);
	for (unsigned kind = 0; kind < PCI_AERS; kind++) {
		const struct metric_label of[] = {
			{"device", address}, {"severity", pci_aer_name(kind)}, {0}};
		if (pci_aer_read(h, d->address, kind, &c) < 0)
			return;
		if (c.total || bind_name_is_vfio(d->driver))
			metrics_add(m, METRIC_ERRORS, c.total, of);
	}
}

int metrics_devices(struct metrics *m, struct host *h, struct err *e)
{
	struct devices d = {0};

	int r = pci_device_list(h, &d.list, &d.count, e);
	if (r < 0)
		return r;
	drivers_add(m, &d);
	for (size_t i = 0; i < d.count; i++) {
		char address[PCI_ADDRESS_TEXT];
		const struct metric_label of[] = {
			{"device", pci_address_format(d.list[i].address, address)}, {0}};
		errors_add(m, h, &d.list[i]);
		if (d.list[i].seems_dead)
			metrics_add(m, METRIC_LOST, 1, of);
	}
	free(d.list);
	return 0;
}

enum entry_kind { ENTRY_TAKING, ENTRY_TAKEN, ENTRY_RETURNING, ENTRY_UNKNOWN, ENTRY_KINDS };

struct entries {
	uint64_t counts[ENTRY_KINDS];
	uint64_t unwiped;
};

static void entry_count(const struct bind_env *env, int group, struct entries *to)
{
	struct bind_entry entry = BIND_ENTRY_NONE;

	if (bind_journal_read(env, group, &entry, NULL) < 0) {
		to->counts[ENTRY_UNKNOWN]++;
		return;
	}
	to->counts[entry.state]++;
	for (size_t i = 0; i < entry.count; i++)
		to->unwiped += entry.members[i].unwiped;
	bind_entry_fini(&entry);
}

static void entries_count(const struct bind_env *env, struct entries *to)
{
	char path[128];
	const struct dirent *entry;
	uint64_t group;

	(void)snprintf(path, sizeof(path), "%s/journal", env->state);
	cleanup_dir DIR *dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (num_parse(entry->d_name, 10, INT32_MAX, &group) == 0)
			entry_count(env, (int)group, to);
}

void metrics_journal(struct metrics *m, const struct bind_env *env)
{
	static const char *const states[ENTRY_KINDS] = {[ENTRY_TAKING] = "taking",
		[ENTRY_TAKEN] = "taken",
		[ENTRY_RETURNING] = "returning",
		[ENTRY_UNKNOWN] = "unknown"};
	struct entries entries = {0};

	entries_count(env, &entries);
	for (size_t i = 0; i < ENTRY_KINDS; i++) {
		const struct metric_label of[] = {{"state", states[i]}, {0}};
		if (i != ENTRY_UNKNOWN || entries.counts[i])
			metrics_add(m, METRIC_JOURNAL, entries.counts[i], of);
	}
	metrics_add(m, METRIC_RESETS_FAILED, entries.unwiped, NULL);
	metrics_add(m, METRIC_REFUSALS, bind_refusals(env), NULL);
}
