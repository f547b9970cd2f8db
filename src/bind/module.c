/* SPDX-License-Identifier: MIT */
#include "bind/module.h"

#include "base/err.h"
#include "base/file.h"
#include "pci/host.h"

#include <dlfcn.h>
#include <errno.h>
#include <libkmod.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * libkmod pulls in four compression and crypto libraries, which cost more than all of binding
 * when the module is there already: so it is loaded when a module has to be.
 */
struct kmod {
	void *lib;
	__typeof__(&kmod_new) new;
	__typeof__(&kmod_unref) unref;
	__typeof__(&kmod_module_new_from_lookup) lookup;
	__typeof__(&kmod_module_get_module) get;
	__typeof__(&kmod_module_probe_insert_module) insert;
	__typeof__(&kmod_module_unref) module_unref;
	__typeof__(&kmod_module_unref_list) list_unref;
};

static int kmod_open(struct kmod *k)
{
	k->lib = dlopen("libkmod.so.2", RTLD_NOW | RTLD_LOCAL);
	if (!k->lib)
		return -ENOPKG;
	k->new = dlsym(k->lib, "kmod_new");
	k->unref = dlsym(k->lib, "kmod_unref");
	k->lookup = dlsym(k->lib, "kmod_module_new_from_lookup");
	k->get = dlsym(k->lib, "kmod_module_get_module");
	k->insert = dlsym(k->lib, "kmod_module_probe_insert_module");
	k->module_unref = dlsym(k->lib, "kmod_module_unref");
	k->list_unref = dlsym(k->lib, "kmod_module_unref_list");
	return k->new && k->unref && k->lookup && k->get && k->insert && k->module_unref &&
			       k->list_unref
		       ? 0
		       : -ENOPKG;
}

static int insert(struct kmod *k, struct kmod_ctx *ctx, const char *module)
{
	struct kmod_list *list = NULL;

	int r = k->lookup(ctx, module, &list);
	if (r < 0)
		return r;
	if (!list)
		return -ENOENT;
	struct kmod_module *m = k->get(list);
	/* Dependencies and softdeps come along; one that is there already is no error. */
	r = k->insert(m, 0, NULL, NULL, NULL, NULL);
	k->module_unref(m);
	k->list_unref(list);
	return r > 0 ? -EPERM : r;
}

int bind_module_load(const char *module, struct err *e)
{
	struct kmod k = {0};

	int r = kmod_open(&k);
	if (r == 0) {
		struct kmod_ctx *ctx = k.new(NULL, NULL);
		r = ctx ? insert(&k, ctx, module) : -ENOMEM;
		if (ctx)
			k.unref(ctx);
	}
	if (k.lib)
		(void)dlclose(k.lib);
	if (r == -ENOPKG) {
		err_say(e, r, "module %s: load: libkmod.so.2 is not there", module);
		err_hint(e, "modprobe %s", module);
	} else if (r == -ENOENT) {
		err_say(e, r, "module %s: load: this kernel has no such module", module);
		err_hint(e, "is the module tree of the running kernel installed?");
	} else if (r < 0) {
		err_set(e, r, "module %s: load", module);
		err_hint(e, "dmesg tells what the kernel has against it");
	}
	return r;
}

bool bind_driver_present(struct host *h, const char *driver)
{
	char path[FILE_PATH_MAX], target[2];

	/* readlink() of what is there and no link says EINVAL: one call, nothing opened. */
	return file_path(path, sizeof(path), "/sys/bus/pci/drivers/%s", driver) == 0 &&
	       h->ops->link(h, path, target, sizeof(target)) == -EINVAL;
}

struct driver_name {
	char *buf;
	size_t size;
};

static int take_pci_driver(void *arg, const char *name)
{
	const struct driver_name *d = arg;

	if (strncmp(name, "pci:", 4) != 0)
		return 0;
	return (size_t)snprintf(d->buf, d->size, "%s", name + 4) < d->size ? 1 : -ENAMETOOLONG;
}

int bind_module_driver(struct host *h, const char *module, char *ret, size_t size)
{
	char path[FILE_PATH_MAX];
	struct driver_name d = {ret, size};

	int r = file_path(path, sizeof(path), "/sys/module/%s/drivers", module);
	if (r == 0)
		r = h->ops->list(h, path, take_pci_driver, &d);
	return r == 1 ? 0 : r < 0 ? r : -ENOENT;
}
