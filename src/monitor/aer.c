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

	for (unsigned kind = 0; kind < PCI_AERS; kind++) {
		if (pci_aer_read(h, s->device.address, kind, &c) < 0)
			return;
		s->aer[kind] = c.total;
	}
	s->has_aer = true;
}

static void growth_tell(const struct seen *s, enum pci_aer kind, const struct pci_aer_count *c,
	const struct monitor_teller *to)
{
	char cause[24], path[FILE_PATH_MAX], evidence[FILE_PATH_MAX + 256];

	(void)snprintf(cause, sizeof(cause), "aer-%s", pci_aer_name(kind));
	if (pci_device_path(s->device.address, pci_aer_file(kind), path, sizeof(path)) < 0)
		return;
	(void)snprintf(evidence, sizeof(evidence), "%s was %" PRIu64 " and is %" PRIu64 ": %s",
		path, s->aer[kind], c->total, c->names);
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
			growth_tell(s, kind, &c, to);
		s->aer[kind] = c.total;
	}
}

void aer_poll(struct seen_list *l, const struct monitor_teller *to)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->list[i].has_aer)
			counters_poll(l->host, &l->list[i], to);
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
