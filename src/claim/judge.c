/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/err.h"
#include "claim/claim.h"
#include "host/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A device that some claim might mean. */
struct candidate {
	const struct pci_device *device;
	struct claim_identity identity;
	bool is_taken; /* in the place of some claim */
};

struct court {
	const struct claim *claims;
	size_t count;
	struct claim_judgement *stands;
	struct candidate *candidates;
	size_t candidate_count;
};

static bool has_ids(const struct claim *c, const struct pci_device *d)
{
	const struct claim_identity *n = &c->identity;

	return n->vendor == d->vendor && n->device == d->device && n->subvendor == d->subvendor &&
	       n->subdevice == d->subdevice;
}

/* Serial numbers are read of these only: that wakes a device. */
static bool is_candidate(const struct court *t, const struct pci_device *d, const char *path)
{
	for (size_t i = 0; i < t->count; i++)
		if (!t->claims[i].bad[0] && (has_ids(&t->claims[i], d) ||
						    strcmp(t->claims[i].identity.path, path) == 0))
			return true;
	return false;
}

static bool is_virtual(struct host *h, struct pci_address a)
{
	char path[128], target[256];

	return pci_device_path(a, "physfn", path, sizeof(path)) == 0 &&
	       h->ops->link(h, path, target, sizeof(target)) >= 0;
}

static void find_candidates(
	struct court *t, struct host *h, const struct pci_device *devices, size_t count)
{
	char path[CLAIM_PATH_MAX];

	for (size_t i = 0; i < count; i++) {
		struct candidate *c = &t->candidates[t->candidate_count];
		/* A virtual function may have the ids, and even the place, of its parent. */
		if (claim_path_read(h, devices[i].address, path) < 0 ||
			!is_candidate(t, &devices[i], path) || is_virtual(h, devices[i].address))
			continue;
		c->device = &devices[i];
		if (claim_identity_read(h, &devices[i], &c->identity, NULL) == 0)
			t->candidate_count++;
	}
}

static struct candidate *find_at(struct court *t, const char *path)
{
	for (size_t i = 0; i < t->candidate_count; i++)
		if (strcmp(t->candidates[i].identity.path, path) == 0)
			return &t->candidates[i];
	return NULL;
}

static bool is_claimed(const struct court *t, const struct claim_identity *n)
{
	for (size_t i = 0; i < t->count; i++)
		if (!t->claims[i].bad[0] && claim_identity_same(&t->claims[i].identity, n))
			return true;
	return false;
}

static void judge_place(struct court *t, const struct claim *c, struct claim_judgement *s)
{
	char now[PCI_ADDRESS_TEXT], then[PCI_ADDRESS_TEXT];

	s->standing = CLAIM_STANDING_MISSING;
	if (c->bad[0]) {
		s->standing = CLAIM_STANDING_VOID;
		(void)snprintf(s->text, sizeof(s->text), "%.250s", c->bad);
		return;
	}
	struct candidate *at = find_at(t, c->identity.path);
	if (!at)
		return;
	s->device = *at->device;
	pci_address_format(s->device.address, now);
	if (!claim_identity_same(&c->identity, &at->identity)) {
		s->standing = CLAIM_STANDING_OTHER;
		s->has_stray = !c->vfs && has_ids(c, &s->device) && !is_claimed(t, &at->identity);
		s->stray = s->device;
		(void)snprintf(s->text, sizeof(s->text), "other device there: %s is %04x:%04x%s",
			now, s->device.vendor, s->device.device,
			has_ids(c, &s->device) ? " with another serial number or subsystem" : "");
		return;
	}
	at->is_taken = true;
	s->standing = CLAIM_STANDING_AT;
	(void)snprintf(s->text, sizeof(s->text), "at %s", now);
	if (!pci_address_equal(c->address, s->device.address))
		(void)snprintf(s->text, sizeof(s->text), "at %s (was %s: buses have new numbers)",
			now, pci_address_format(c->address, then));
}

/* Without a serial number only the kind identifies it: any unclaimed device may be the one. */
static void judge_moved(struct court *t, const struct claim *c, struct claim_judgement *s)
{
	char now[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < t->candidate_count; i++) {
		struct candidate *at = &t->candidates[i];
		if (at->is_taken || !claim_identity_same(&c->identity, &at->identity))
			continue;
		s->standing = CLAIM_STANDING_MOVED;
		s->device = *at->device;
		(void)snprintf(s->text, sizeof(s->text), "moved: it is now at %s",
			pci_address_format(s->device.address, now));
		return;
	}
	if (s->standing == CLAIM_STANDING_MISSING)
		(void)snprintf(s->text, sizeof(s->text), "missing");
}

int claim_judge_among(struct host *h, const struct pci_device *devices, size_t device_count,
	const struct claim *claims, size_t count, struct claim_judgement **ret)
{
	struct court t = {.claims = claims, .count = count};

	t.stands = calloc(count ? count : 1, sizeof(*t.stands));
	t.candidates = calloc(device_count ? device_count : 1, sizeof(*t.candidates));
	if (!t.stands || !t.candidates) {
		free(t.stands);
		free(t.candidates);
		return -ENOMEM;
	}
	find_candidates(&t, h, devices, device_count);
	for (size_t i = 0; i < count; i++)
		judge_place(&t, &claims[i], &t.stands[i]);
	for (size_t i = 0; i < count; i++)
		if (t.stands[i].standing == CLAIM_STANDING_MISSING ||
			t.stands[i].standing == CLAIM_STANDING_OTHER)
			judge_moved(&t, &claims[i], &t.stands[i]);
	free(t.candidates);
	*ret = t.stands;
	return 0;
}

int claim_judge(struct host *h, const struct claim *claims, size_t count,
	struct claim_judgement **ret, struct err *e)
{
	cleanup_free struct pci_device *devices = NULL;
	size_t device_count = 0;

	int r = pci_device_list(h, &devices, &device_count, e);
	if (r < 0)
		return r;
	r = claim_judge_among(h, devices, device_count, claims, count, ret);
	return r < 0 ? err_set(e, r, "claims") : 0;
}

const char *claim_standing_name(enum claim_standing s)
{
	static const char *const names[] = {
		[CLAIM_STANDING_AT] = "at",
		[CLAIM_STANDING_MOVED] = "moved",
		[CLAIM_STANDING_MISSING] = "missing",
		[CLAIM_STANDING_OTHER] = "other",
		[CLAIM_STANDING_VOID] = "void",
	};

	return names[s];
}
