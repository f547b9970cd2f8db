/* SPDX-License-Identifier: MIT */
#include "bind/statefile.h"

#include "base/err.h"
#include "base/file.h"
#include "bind/transaction.h"
#include "host/host.h"

#include <errno.h>

int bind_statefile_path(const struct bind_env *env, const struct bind_statefile_kind *k,
	struct pci_address a, char *buf, size_t size)
{
	char address[PCI_ADDRESS_TEXT];

	return file_path(
		buf, size, "%s/%s/%s", env->state, k->folder, pci_address_format(a, address));
}

int bind_statefile_read(const struct bind_env *env, const struct bind_statefile_kind *k,
	struct pci_address a, char *text, size_t size, void *entry, struct err *e)
{
	struct pci_address told;
	char path[FILE_PATH_MAX];

	int r = bind_statefile_path(env, k, a, path, sizeof(path));
	if (r < 0)
		return err_set(e, r, "%s", k->name);
	ssize_t len = env->host->ops->read(env->host, path, text, size - 1);
	if (len < 0)
		return err_set(e, (int)len, "read %s", path);
	text[len] = '\0';
	if (k->parse(text, entry, &told) < 0 || !pci_address_equal(told, a))
		return err_say(e, -EBADMSG, "%s: is not an entry that usher wrote", path);
	return 0;
}

int bind_statefile_write(struct bind_transaction *w, const struct bind_statefile_kind *k,
	struct pci_address a, const char *text, struct err *e)
{
	char path[FILE_PATH_MAX];

	int r = bind_statefile_path(w->env, k, a, path, sizeof(path));
	if (r < 0)
		return err_set(e, r, "%s", k->name);
	return bind_transaction_file(w, path, text, e);
}

int bind_statefile_remove(struct bind_transaction *w, const struct bind_statefile_kind *k,
	struct pci_address a, struct err *e)
{
	char path[FILE_PATH_MAX];

	int r = bind_statefile_path(w->env, k, a, path, sizeof(path));
	if (r < 0)
		return err_set(e, r, "%s", k->name);
	return bind_transaction_file_remove(w, path, e);
}
