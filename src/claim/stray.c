/* SPDX-License-Identifier: MIT */
#include "claim/stray.h"

#include "base/err.h"
#include "bind/return.h"
#include "bind/transaction.h"
#include "hold/hold.h"
#include "host/host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Whether it is as the rule alone leaves a device. */
static bool has_rule_override(struct host *h, const struct pci_device *stray, const char *override)
{
	struct pci_device d;

	return pci_device_read(h, stray->address, &d, NULL) == 0 && d.vendor == stray->vendor &&
	       d.device == stray->device && strcmp(d.driver_override, override) == 0 &&
	       (!d.driver[0] || strcmp(d.driver, override) == 0);
}

/* usher's own business with the group comes first: `usher release` ends it. */
static int refuse_taken(struct bind_transaction *w, int group, const char *boot, struct err *e)
{
	struct bind_entry n = BIND_ENTRY_NONE;

	int r = bind_journal_read(w->env, group, &n, NULL);
	bool taken = r == -EBADMSG || (r == 0 && strcmp(n.boot, boot) == 0);
	bind_entry_fini(&n);
	if (!taken)
		return 0;
	err_say(e, -EPERM, "its group %d is bound by usher", group);
	err_hint(e, "usher release, if it is not in use");
	return -EPERM;
}

/* On a VFIO driver a process may have it open, and an unbind would wait for it. */
static int refuse_held(struct bind_transaction *w, const struct pci_device *d, struct err *e)
{
	struct holds holds = {0};
	int r = hold_find(w->env->host, d, &holds, e);

	if (r == 0 && holds.count) {
		r = err_say(e, -EPERM, "in use: %s: %s", holds.list[0].object, holds.list[0].text);
		err_hint(e, "end what uses it first");
	}
	holds_fini(&holds);
	return r;
}

static int give_locked(struct bind_transaction *w, const struct pci_device *stray,
	const char *override, struct bind_report *ret, struct err *e)
{
	struct bind_was was = {stray->address, stray->vendor, stray->device, stray->class};
	struct bind_entry n = {
		.group = stray->group, .state = BIND_STATE_RETURNING, .members = &was, .count = 1};
	bool has_group = stray->group >= 0;

	if (!has_rule_override(w->env->host, stray, override))
		return 0;
	(void)snprintf(was.to, sizeof(was.to), "%s", override);
	(void)snprintf(was.driver, sizeof(was.driver), "%s", BIND_DRIVER_FITTING);
	int r = bind_boot_id(w->env->host, n.boot, e);
	if (r < 0)
		return r;
	r = has_group ? refuse_taken(w, n.group, n.boot, e) : 0;
	if (r < 0)
		return r;
	r = refuse_held(w, stray, e);
	if (r < 0)
		return r;
	r = bind_worker_arm(&w->workers[0], e);
	if (r < 0)
		return r;
	if (has_group) {
		bind_worker_sign(&w->workers[0], &n);
		r = bind_transaction_journal(w, &n, e);
		if (r < 0)
			return r;
	}
	r = bind_return_members(&w->workers[0], &n, BIND_RETURN_DRIVER, NULL, ret, e);
	if (r == 0 && has_group)
		r = bind_transaction_forget(w, n.group, e);
	return r < 0 ? r : 1;
}

int claim_stray_return(const struct bind_env *env, const struct pci_device *stray,
	const char *override, struct bind_report *ret, struct err *e)
{
	struct bind_transaction w = BIND_TRANSACTION_NONE;
	char address[PCI_ADDRESS_TEXT];
	int group = stray->group;

	*ret = BIND_REPORT_NONE;
	if (!has_rule_override(env->host, stray, override))
		return 0;
	int r = bind_transaction_begin(&w, env, &group, group >= 0, e);
	if (r == 0)
		r = give_locked(&w, stray, override, ret, e);
	bind_transaction_end(&w);
	return r < 0 ? err_in(e, r, "%s", pci_address_format(stray->address, address)) : r;
}
