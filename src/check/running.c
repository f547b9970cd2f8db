/* SPDX-License-Identifier: MIT */
/*
 * Domains that run with a device that usher has not lent them: libvirt calls no hook when a person
 * attaches a device to a running domain, and no hook where usher's is not installed.
 */
#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "bind/bind.h"
#include "bind/owner.h"
#include "check/rule.h"
#include "libvirt/domain.h"
#include "libvirt/hostdev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RUNNING_DIR "/run/libvirt/qemu" /* a file for each domain that runs */

struct running {
	struct check_case *c;
	struct bind_lease *leases;
	size_t count;
};

/* As usher's own guest, or by the hook. */
static bool is_lent_to(const struct running *w, int group, const struct libvirt_domain *d)
{
	char name[BIND_DOMAIN_MAX];

	if (bind_owner_domain(d->name, name) < 0)
		return false;
	for (size_t i = 0; i < w->count; i++) {
		const struct bind_lease *l = &w->leases[i];
		if (l->group == group)
			return l->state == BIND_LEASE_LIVE &&
			       (strcmp(l->owner.domain, name) == 0 ||
				       (!l->owner.domain[0] && l->owner.name[0] &&
					       strcmp(l->owner.name, d->name) == 0));
	}
	return false;
}

static void domain_look(const struct running *w, const char *path, const struct libvirt_domain *d)
{
	char address[PCI_ADDRESS_TEXT], name[64];

	file_escape(name, sizeof(name), d->name);
	for (size_t i = 0; i < d->count; i++) {
		const struct pci_device *device = check_find(w->c, d->devices[i].address);
		if (device && is_lent_to(w, device->group, d))
			continue;
		check_found(w->c, CHECK_WARN, pci_address_format(d->devices[i].address, address),
			"domain '%s' runs with it, and usher did not lend it: nobody asked who "
			"uses it, and libvirt alone returns it",
			name);
		check_seen(w->c, path, address);
		check_fix(w->c, "next time: usher attach, or the hook: man usher-libvirt");
	}
}

/* A file that went meanwhile was of a domain that has ended. */
static int domain_check(void *arg, const char *file)
{
	const struct running *w = arg;
	struct libvirt_domain d = LIBVIRT_DOMAIN_NONE;
	char path[FILE_PATH_MAX];
	cleanup_free char *text = NULL;
	size_t n = strlen(file);

	if (n <= 4 || strcmp(file + n - 4, ".xml") != 0 ||
		file_path(path, sizeof(path), RUNNING_DIR "/%s", file) < 0)
		return 0;
	ssize_t len = host_read_all(w->c->host, path, &text);
	if (len < 0 && len != -ENOENT)
		check_blind(w->c, path, (int)len);
	if (len < 0 || !libvirt_hostdev_may_be(text, (size_t)len))
		return 0;
	int r = libvirt_domain_parse(text, (size_t)len, &d, NULL);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		check_blind(w->c, path, r);
	else
		domain_look(w, path, &d);
	libvirt_domain_fini(&d);
	return 0;
}

void check_running(struct check_case *c)
{
	struct running w = {.c = c};
	struct bind_env env = bind_env_live();

	env.host = c->host;
	(void)bind_leases(&env, &w.leases, &w.count, NULL);
	int r = c->host->ops->list(c->host, RUNNING_DIR, domain_check, &w);
	if (r == -ENOMEM)
		c->failed = r;
	else if (r < 0 && r != -ENOENT)
		check_blind(c, RUNNING_DIR, r);
	free(w.leases);
}
