/* SPDX-License-Identifier: MIT */
#include "revive/known.h"

#include "base/clean.h"
#include "base/err.h"
#include "bind/journal.h"
#include "bind/lease.h"
#include "claim/claim.h"
#include "host/host.h"
#include "pci/upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void known_set(struct revive_known *k, uint16_t vendor, uint16_t device, const char *driver)
{
	k->has_id = true;
	k->vendor = vendor;
	k->device = device;
	(void)snprintf(k->driver, sizeof(k->driver), "%s", driver);
}

static void ask_snapshot(struct host *before, struct pci_address a, struct revive_known *k)
{
	struct pci_device d;
	struct pci_upstream u;

	if (!before || pci_device_peek(before, a, &d, NULL) < 0)
		return;
	known_set(k, d.vendor, d.device, d.driver);
	(void)snprintf(k->source, sizeof(k->source), "the snapshot");
	if (pci_upstream_read(before, a, &u) < 0 || u.count == 0)
		return;
	k->has_port = true;
	k->port = u.bridges[u.count - 1];
}

static int ask_journal(
	const struct bind_env *env, struct pci_address a, struct revive_known *k, struct err *e)
{
	cleanup_free struct bind_lease *leases = NULL;
	size_t count = 0;

	int r = bind_leases(env, &leases, &count, e);
	for (size_t i = 0; r == 0 && !k->has_id && i < count; i++) {
		struct bind_entry n = BIND_ENTRY_NONE;
		if (leases[i].state == BIND_LEASE_VOID ||
			bind_journal_read(env, leases[i].group, &n, NULL) < 0)
			continue;
		const struct bind_was *was = bind_entry_find(&n, a);
		if (was) {
			known_set(k, was->vendor, was->device, was->to);
			(void)snprintf(
				k->source, sizeof(k->source), "the journal of group %d", n.group);
		}
		bind_entry_fini(&n);
	}
	return r;
}

static int ask_claims(struct host *h, const char *folder, struct pci_address a,
	struct revive_known *k, struct err *e)
{
	cleanup_free struct claim *claims = NULL;
	size_t count = 0;

	int r = claim_list(h, folder, &claims, &count, e);
	for (size_t i = 0; r == 0 && !k->has_id && i < count; i++) {
		const struct claim *c = &claims[i];
		if (c->bad[0] || !pci_address_equal(c->address, a))
			continue;
		known_set(k, c->identity.vendor, c->identity.device, c->driver);
		(void)snprintf(k->source, sizeof(k->source), "claim %.180s", c->name);
	}
	return r;
}

/* "pci 0000:01:00.0: [10de:1f08] type 00 class 0x030000": each time the kernel finds a device. */
static void ask_log(struct host *h, struct pci_address a, struct revive_known *k)
{
	char address[PCI_ADDRESS_TEXT], found[32];
	cleanup_free char *log = NULL;
	unsigned short vendor, device;

	if (host_read_all(h, HOST_KERNEL_LOG, &log) < 0)
		return;
	int n = snprintf(found, sizeof(found), "pci %s: [", pci_address_format(a, address));
	for (const char *at = strstr(log, found); at; at = strstr(at, found)) {
		at += n;
		if (sscanf(at, "%4hx:%4hx] type", &vendor, &device) != 2 || vendor == UINT16_MAX)
			continue;
		known_set(k, vendor, device, "");
		(void)snprintf(k->source, sizeof(k->source), "the kernel log");
	}
}

int revive_known_find(const struct bind_env *env, struct pci_address a, struct host *before,
	const char *claims, struct revive_known *ret, struct err *e)
{
	struct revive_known k = {0};

	ask_snapshot(before, a, &k);
	int r = k.has_id ? 0 : ask_journal(env, a, &k, e);
	if (r == 0 && !k.has_id && claims)
		r = ask_claims(env->host, claims, a, &k, e);
	if (r < 0)
		return r;
	if (!k.has_id)
		ask_log(env->host, a, &k);
	*ret = k;
	return 0;
}
