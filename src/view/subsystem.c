/* SPDX-License-Identifier: MIT */
#include "view/subsystem.h"

#include "base/file.h"
#include "host/host.h"
#include "view/word_address.h"

#include <string.h>

#define SUBSYSTEMS "/virtual/nvme-subsystem/"

struct controllers {
	struct host *host;
	int (*each)(void *arg, struct pci_address controller);
	void *arg;
};

/* A subsystem links to its controllers by their names; other names are attributes and disks. */
static int controller_find(void *arg, const char *name)
{
	const struct controllers *c = arg;
	char path[FILE_PATH_MAX], target[FILE_PATH_MAX];
	struct pci_address a;

	if (strncmp(name, "nvme", 4) != 0 ||
		file_path(path, sizeof(path), "/sys/class/nvme/%s", name) < 0 ||
		c->host->ops->link(c->host, path, target, sizeof(target)) < 0 ||
		!word_last_address(target, &a))
		return 0;
	return c->each(c->arg, a);
}

int subsystem_controllers(struct host *h, const char *target,
	int (*each)(void *arg, struct pci_address controller), void *arg)
{
	struct controllers c = {h, each, arg};
	char path[FILE_PATH_MAX];

	const char *name = strstr(target, SUBSYSTEMS);
	if (!name)
		return 0;
	name += strlen(SUBSYSTEMS);
	if (file_path(path, sizeof(path), "/sys/class/nvme-subsystem/%.*s", (int)strcspn(name, "/"),
		    name) < 0)
		return 0;
	int r = h->ops->list(h, path, controller_find, &c);
	return r < 0 ? 0 : r;
}
