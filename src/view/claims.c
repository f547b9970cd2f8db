/* SPDX-License-Identifier: MIT */
#include "view/claims.h"

#include "pci/vfs.h"

#include <stdlib.h>

int claims_read(struct host *h, struct claims *ret, struct err *e)
{
	*ret = (struct claims){0};
	int r = claim_list(h, CLAIMS_DIR, &ret->list, &ret->count, e);
	if (r < 0)
		return r;
	return claim_judge(h, ret->list, ret->count, &ret->judgements, e);
}

void claims_fini(struct claims *c)
{
	free(c->list);
	free(c->judgements);
	*c = (struct claims){0};
}

bool claims_found(const struct claim_judgement *j)
{
	return j->standing == CLAIM_STANDING_AT || j->standing == CLAIM_STANDING_MOVED;
}

static bool claim_has(const struct claim_judgement *j, struct pci_address a)
{
	return claims_found(j) && pci_address_equal(j->device.address, a);
}

bool claims_about(const struct claims *c, struct host *h, struct pci_address a, size_t *ret)
{
	if (!c->count)
		return false;
	const struct pci_vfs vfs = pci_vfs_read(h, a);
	for (size_t i = 0; i < c->count; i++) {
		const struct claim_judgement *j = &c->judgements[i];

		if (!claim_has(j, a) &&
			!(vfs.is_virtual && c->list[i].vfs && j->standing == CLAIM_STANDING_AT &&
				claim_has(j, vfs.physical)))
			continue;
		*ret = i;
		return true;
	}
	return false;
}
