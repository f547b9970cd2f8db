/* SPDX-License-Identifier: MIT */
/*
 * An NVMe disk with native multipath, and its character node, are below their subsystem,
 * ../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1, and the subsystem links to its
 * controllers, which are below their PCI functions.
 */
#include "base/file.h"
#include "hold/view.h"

#include <string.h>

#define SUBSYSTEMS "../../devices/virtual/nvme-subsystem/"

struct controllers {
	const struct hold_case *c;
	const char *folder;
	bool ours;
};

static int controller_match(void *arg, const char *name)
{
	struct controllers *x = arg;
	struct host *h = x->c->view->host;
	char path[FILE_PATH_MAX], target[HOLD_TARGET_MAX];

	if (file_path(path, sizeof(path), "%s/%s", x->folder, name) == 0 &&
		h->ops->link(h, path, target, sizeof(target)) >= 0)
		x->ours = x->ours || hold_below(x->c, target);
	return 0;
}

bool hold_reaches(const struct hold_case *c, const char *target)
{
	char folder[FILE_PATH_MAX];
	struct controllers x = {.c = c, .folder = folder};
	struct host *h = c->view->host;

	if (strncmp(target, SUBSYSTEMS, sizeof(SUBSYSTEMS) - 1) != 0)
		return hold_below(c, target);
	const char *name = target + sizeof(SUBSYSTEMS) - 1;
	if (file_path(folder, sizeof(folder), "/sys/class/nvme-subsystem/%.*s",
		    (int)strcspn(name, "/"), name) < 0)
		return false;
	(void)h->ops->list(h, folder, controller_match, &x);
	return x.ours;
}
