/* SPDX-License-Identifier: MIT */
#include "bind/reset.h"

#include "base/err.h"
#include "base/file.h"
#include "bind/journal.h"
#include "bind/owner.h"
#include "bind/transaction.h"
#include "host/host.h"
#include "pci/upstream.h"

#include <errno.h>
#include <string.h>

struct bus {
	struct pci_address address;
	const struct pci_address *taken;
	size_t taken_count;
};

/* Ends the listing at a function of the bus that is not taken. */
static int find_stranger(void *arg, const char *name)
{
	const struct bus *b = arg;
	struct pci_address a;

	if (pci_address_parse(name, &a) < 0 || a.domain != b->address.domain ||
		a.bus != b->address.bus)
		return 0;
	for (size_t i = 0; i < b->taken_count; i++)
		if (pci_address_equal(a, b->taken[i]))
			return 0;
	return 1;
}

/* No bridge leads to a root bus, so nothing can pull its reset line. */
static bool on_root_bus(struct host *h, struct pci_address a)
{
	struct pci_upstream u;

	return pci_upstream_read(h, a, &u) < 0 || u.count == 0;
}

bool bind_reset_works(struct host *h, const struct pci_device *d, const struct pci_address *taken,
	size_t taken_count)
{
	struct bus b = {d->address, taken, taken_count};

	if (d->reset_method[0])
		return true;
	if (on_root_bus(h, d->address))
		return false;
	return h->ops->list(h, "/sys/bus/pci/devices", find_stranger, &b) == 0;
}

static int may_write(const struct bind_entry *n, const struct bind_owner *owner,
	struct pci_address a, struct err *e)
{
	const struct bind_was *was = bind_entry_find(n, a);

	if (n->state != BIND_STATE_TAKEN || !bind_owner_equal(&n->owner, owner))
		return err_say(e, -EPERM, "group %d: is not leased to this process", n->group);
	/* Without the original choice in the journal it could not be restored. */
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
	bind_entry_fini(&n);
	if (r < 0)
		return r;
	r = pci_device_path(a, "reset_method", path, sizeof(path));
	if (r < 0)
		return r;
	r = bind_worker_arm(&w->workers[0], e);
	return r < 0 ? r : bind_worker_write(&w->workers[0], path, method, e);
}

int bind_reset_method(const struct bind_env *env, int group, const struct bind_owner *owner,
	struct pci_address a, const char *method, struct err *e)
{
	struct bind_transaction w = BIND_TRANSACTION_NONE;
	char address[PCI_ADDRESS_TEXT];

	/* One name or more, and no character that sysfs gives another meaning. */
	if (!*method || method[strspn(method, "abcdefghijklmnopqrstuvwxyz_ ")])
		return err_say(e, -EINVAL, "'%s' is no reset method", method);
	int r = bind_transaction_begin(&w, env, &group, 1, e);
	if (r == 0)
		r = write_locked(&w, group, owner, a, method, e);
	bind_transaction_end(&w);
	return r < 0 ? err_in(e, r, "%s", pci_address_format(a, address)) : 0;
}
