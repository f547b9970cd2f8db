/* SPDX-License-Identifier: MIT */
#include "view/claims.h"

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
