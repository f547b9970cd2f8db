/* SPDX-License-Identifier: MIT */
#ifndef VIEW_CLAIMS_H
#define VIEW_CLAIMS_H

#include "claim/claim.h"

struct err;
struct host;
struct json;

/* The claims of a host, and where the device of each is now. */
struct claims {
	size_t count;
	struct claim *list;
	struct claim_judgement *judgements; /* one for each claim */
};

/* claims_fini() either way. Return: 0, -E2BIG, -ENOMEM, -errno. */
int claims_read(struct host *h, struct claims *ret, struct err *e);
void claims_fini(struct claims *c);

/* Whether the claimed device was found, at its place or at another one. */
bool claims_found(const struct claim_judgement *j);

/*
 * The claim that a device is of: its own, or for a virtual function the one that makes it.
 * *@ret is its index in @c. Return: false for a device without one.
 */
bool claims_about(const struct claims *c, struct host *h, struct pci_address a, size_t *ret);

/* The keys of one claim. */
void claims_put(struct json *map, const struct claim *n, const struct claim_judgement *j);

/* Writers, on standard output. Return: 0, -ENOMEM, -ENOPKG. */
int claims_text(const struct claims *c, struct err *e);
int claims_json(const struct claims *c, struct err *e);

#endif
