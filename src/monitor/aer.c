/* SPDX-License-Identifier: MIT */
#include "monitor/aer.h"

#include "base/file.h"
#include "monitor/devices.h"
#include "monitor/uevent.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void aer_begin(struct host *h, struct seen *s)
{
	struct pci_aer_count c;

	s->has_aer = s->is_aer_port = true;
	for (unsigned kind = 0; kind < PCI_AERS; kind++) {
		s->has_aer = s->has_aer && pci_aer_read(h, s->device.address, kind, &c) == 0;
		s->aer[kind] = s->has_aer ? c.total : 0;
		s->is_aer_port = s->is_aer_port && pci_aer_port_read(h, s->device.address, kind,
							   &s->port_aer[kind]) == 0;
	}
}

/* @what: the names of the errors. */
static void growth_tell(const struct seen *s, enum pci_aer kind, const char *file, uint64_t was,
	uint64_t is, const char *what, const struct monitor_teller *to)
{
	char cause[24], path[FILE_PATH_MAX], evidence[FILE_PATH_MAX + 256];

	(void)snprintf(cause, sizeof(cause), "aer-%s", pci_aer_name(kind));
	if (pci_device_path(s->device.address, file, path, sizeof(path)) < 0)
		return;
	(void)snprintf(evidence, sizeof(evidence), "%s was %" PRIu64 " and is %" PRIu64 "%s%s",
		path, was, is, what[0] ? ": " : "", what);
	monitor_tell(to, &(struct monitor_event){.kind = MONITOR_FAULT,
				 .has_address = true,
				 .address = s->device.address,
				 .cause = cause,
				 .evidence = evidence});
}

static void counters_poll(struct host *h, struct seen *s, const struct monitor_teller *to)
{
	struct pci_aer_count c;

	for (unsigned kind = 0; kind < PCI_AERS; kind++) {
		if (pci_aer_read(h, s->device.address, kind, &c) < 0)
			return;
		if (c.total > s->aer[kind])
			growth_tell(
				s, kind, pci_aer_file(kind), s->aer[kind], c.total, c.names, to);
		s->aer[kind] = c.total;
	}
}

static void port_poll(struct host *h, struct seen *s, const struct monitor_teller *to)
{
	uint64_t total;

	for (unsigned kind = 0; kind < PCI_AERS; kind++) {
		if (pci_aer_port_read(h, s->device.address, kind, &total) < 0)
			return;
		if (total > s->port_aer[kind])
			growth_tell(
				s, kind, pci_aer_port_file(kind), s->port_aer[kind], total, "", to);
		s->port_aer[kind] = total;
	}
}

void aer_poll(struct seen_list *l, const struct monitor_teller *to)
{
	for (size_t i = 0; i < l->count; i++) {
		if (l->list[i].has_aer)
			counters_poll(l->host, &l->list[i], to);
		if (l->list[i].is_aer_port)
			port_poll(l->host, &l->list[i], to);
	}
}

void aer_recovery_tell(const struct uevent *u, const struct monitor_teller *to)
{
	const bool well = strcmp(u->recovery, "SUCCESSFUL_RECOVERY") == 0;
	const bool lost = strcmp(u->recovery, "FAILED_RECOVERY") == 0;
	char evidence[80];

	(void)snprintf(
		evidence, sizeof(evidence), "the kernel's event ERROR_EVENT=%s", u->recovery);
	monitor_tell(to, &(struct monitor_event){.kind = well ? MONITOR_RECOVERED : MONITOR_FAULT,
				 .has_address = true,
				 .address = u->address,
				 .cause = lost ? "recovery-failed" : "recovery",
				 .evidence = evidence});
}
