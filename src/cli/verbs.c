/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "cli/verb.h"

#include <string.h>

/* In the order in which a device walks through them. */
static const struct verb *const verbs[] = {
	&verb_list,
	&verb_show,
	&verb_snapshot,
	&verb_check,
	&verb_rom,
	&verb_guide,
	&verb_prove,
	&verb_bind,
	&verb_release,
	&verb_vfs,
	&verb_image,
	&verb_run,
	&verb_start,
	&verb_edit,
	&verb_exec,
	&verb_lease,
	&verb_leases,
	&verb_revoke,
	&verb_ps,
	&verb_stop,
	&verb_console,
	&verb_stat,
	&verb_control,
	&verb_monitor,
	&verb_metrics,
	&verb_guests,
	&verb_attach,
	&verb_detach,
	&verb_xml,
	&verb_restore,
	&verb_revive,
	&verb_claim,
	&verb_unclaim,
	&verb_claims,
	&verb_apply,
	&verb_compat,
};

const struct verb *verb_at(unsigned i)
{
	return i < COUNT(verbs) ? verbs[i] : NULL;
}

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}
