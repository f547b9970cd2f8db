/* SPDX-License-Identifier: MIT */
#include "bind/method.h"

#include "base/err.h"
#include "base/file.h"
#include "bind/transaction.h"

#include <errno.h>
#include <string.h>

static int may_write(const struct bind_entry *n, const struct bind_owner *owner,
	struct pci_address a, struct err *e)
{
	const struct bind_was *was = bind_entry_find(n, a);

	if (n->state != BIND_STATE_TAKEN || !owner->pid || n->owner.pid != owner->pid ||
		n->owner.start != owner->start)
		return err_say(e, -EPERM, "group %d: is not leased to this process", n->group);
	/* What the journal does not remember nobody could put back. */
	if (!was || !was->reset_method[0])
		return err_say(e, -EINVAL, "has no choice of reset methods");
	return 0;
}

static int write_locked(struct bind_transaction *w, int group, const struct bind_owner *owner,
	struct pci_address a, const char *method, struct err *e)
{
	struct bind_entry n = BIND_ENTRY_NONE;
	char path[FILE_PATH_MAX];

	int r = bind_journal_read(w->env, group, &n, e);
	if (r == 0)
		r = may_write(&n, owner, a, e);
	if (r == 0)
		r = pci_device_path(a, "reset_method", path, sizeof(path));
	if (r == 0)
		r = bind_transaction_arm(w, e);
	if (r == 0)
		r = bind_transaction_write(w, path, method, e);
	bind_entry_fini(&n);
	return r;
}

int bind_reset_method(const struct bind_env *env, int group, const struct bind_owner *owner,
	struct pci_address a, const char *method, struct err *e)
{
	struct bind_transaction w = BIND_WORK_NONE;
	char address[PCI_ADDRESS_TEXT];

	/* One name or several, and nothing that sysfs could take for something else. */
	if (!*method || method[strspn(method, "abcdefghijklmnopqrstuvwxyz_ ")])
		return err_say(e, -EINVAL, "'%s' is no reset method", method);
	int r = bind_transaction_begin(&w, env, &group, 1, e);
	if (r == 0)
		r = write_locked(&w, group, owner, a, method, e);
	bind_transaction_end(&w);
	return r < 0 ? err_in(e, r, "%s", pci_address_format(a, address)) : 0;
}
