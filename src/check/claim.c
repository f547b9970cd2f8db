/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/file.h"
#include "bind/gate.h"
#include "check/rule.h"
#include "claim/claim.h"
#include "pci/vfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Compares usher's own claims (claim/claim.h) with the devices of this host, so that a claim for a
 * missing or moved device is found before the next boot.
 */

void check_claims_read(struct check_case *c)
{
	struct err why = {0};

	int r = claim_list(c->host, CLAIMS_DIR, &c->claims, &c->claim_count, &why);
	if (r == 0 && c->claim_count)
		r = claim_judge_among(c->host, c->devices, c->device_count, c->claims,
			c->claim_count, &c->stands);
	if (r == -ENOMEM)
		c->failed = r;
	c->claims_error = r;
	if (r < 0)
		c->claim_count = 0;
}

void check_claims_free(struct check_case *c)
{
	free(c->claims);
	free(c->stands);
}

static void seen_claim(struct check_case *c, const struct claim *n, const char *value)
{
	char path[FILE_PATH_MAX];

	(void)file_path(path, sizeof(path), CLAIMS_DIR "/%s.claim", n->name);
	check_seen(c, path, value);
}

bool check_claims_hold(const struct check_case *c, struct pci_address a)
{
	for (size_t i = 0; i < c->claim_count; i++)
		if (c->stands[i].standing == CLAIM_STANDING_AT && !c->claims[i].vfs &&
			pci_address_equal(c->stands[i].device.address, a))
			return true;
	return false;
}

void check_claim_describe(const struct check_case *c, struct check_verdict *v)
{
	const struct pci_address a = v->device.address;
	char address[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < c->claim_count; i++) {
		const struct claim *n = &c->claims[i];
		const struct pci_address at = c->stands[i].device.address;

		if (c->stands[i].standing != CLAIM_STANDING_AT || !n->vfs)
			continue;
		const struct pci_vfs vfs = pci_vfs_read(c->host, a);
		if (pci_address_equal(at, a))
			(void)snprintf(v->claim, sizeof(v->claim),
				"its claim makes %u virtual function%s at each boot", n->vfs,
				n->vfs == 1 ? "" : "s");
		else if (vfs.is_virtual && pci_address_equal(vfs.physical, at))
			(void)snprintf(v->claim, sizeof(v->claim),
				"the claim of %s makes it at each boot",
				pci_address_format(at, address));
	}
}

/* P01: the checked device does not match a claim. */
static void tell_moved(struct check_case *c, const struct claim *n, const struct claim_judgement *s)
{
	char then[PCI_ADDRESS_TEXT], id[16];

	pci_address_format(n->address, then);
	(void)snprintf(id, sizeof(id), "%04x:%04x", n->identity.vendor, n->identity.device);
	if (s->standing == CLAIM_STANDING_MOVED) {
		check_found(c, CHECK_FAIL, c->address,
			"was claimed at %s but has moved, so it is not bound at boot", then);
		seen_claim(c, n, n->identity.path);
		check_fix(c, "usher unclaim %s, then usher claim %s", n->name, c->address);
	} else {
		bool alike = n->identity.vendor == c->device->vendor &&
			     n->identity.device == c->device->device;

		check_found(c, CHECK_FAIL, c->address,
			"is in the place of claim '%s', which is for %s %s%s", n->name,
			alike ? "another" : "a", id,
			alike ? ": the serial number or subsystem differs" : "");
		seen_claim(c, n, id);
		check_fix(c, "if the claimed device was removed: usher unclaim %s", n->name);
	}
}

void check_claimed(struct check_case *c)
{
	for (size_t i = 0; i < c->claim_count; i++) {
		const struct claim_judgement *s = &c->stands[i];

		if ((s->standing == CLAIM_STANDING_MOVED || s->standing == CLAIM_STANDING_OTHER) &&
			pci_address_equal(s->device.address, c->device->address))
			tell_moved(c, &c->claims[i], s);
	}
}

/* H16: a device whose claimed virtual functions were not made. */
static void tell_functions(struct check_case *c, const struct claim *n, const struct pci_device *d)
{
	struct pci_vfs vfs = pci_vfs_read(c->host, d->address);
	char address[PCI_ADDRESS_TEXT], value[32];

	if (vfs.active == n->vfs)
		return;
	pci_address_format(d->address, address);
	(void)snprintf(value, sizeof(value), "vfs %u", n->vfs);
	check_found(c, CHECK_WARN, address, "is claimed with %u virtual functions but has %u",
		n->vfs, (unsigned)vfs.active);
	seen_claim(c, n, value);
	check_fix(c, "usher apply");
}

/* H16: claims without a device, or whose device is not on a VFIO driver. */
void check_claims(struct check_case *c)
{
	char address[PCI_ADDRESS_TEXT];

	if (c->claims_error)
		check_blind(c, CLAIMS_DIR, c->claims_error);
	for (size_t i = 0; i < c->claim_count; i++) {
		const struct claim *n = &c->claims[i];
		const struct pci_device *d = &c->stands[i].device;

		if (c->stands[i].standing == CLAIM_STANDING_VOID) {
			check_found(c, CHECK_WARN, n->name, "the claim is invalid: %s", n->bad);
			seen_claim(c, n, n->bad);
			check_fix(c, "correct " CLAIMS_DIR "/%s.claim", n->name);
		} else if (c->stands[i].standing == CLAIM_STANDING_MISSING) {
			check_found(c, CHECK_WARN, n->name, "its claimed device is missing");
			seen_claim(c, n, n->identity.path);
			check_fix(c, "if the device was removed: usher unclaim %s", n->name);
		} else if (c->stands[i].standing == CLAIM_STANDING_AT && n->vfs) {
			tell_functions(c, n, d);
		} else if (c->stands[i].standing == CLAIM_STANDING_AT &&
			   !bind_on_vfio(c->host, d)) {
			pci_address_format(d->address, address);
			check_found(c, CHECK_WARN, address, "is claimed for VFIO but bound to %s",
				d->driver[0] ? d->driver : "no driver");
			seen_claim(c, n, d->driver);
			check_fix(c, "usher apply");
		}
	}
}
