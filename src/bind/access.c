/* SPDX-License-Identifier: MIT */
#include "bind/access.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/text.h"
#include "bind/kernel_ops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UDEV_CONTROL "/run/udev/control" /* the daemon's socket */

int bind_access_path(int group, char *buf, size_t size)
{
	return file_path(buf, size, BIND_RULES_DIR "/72-usher-%d.rules", group);
}

static void put_access(FILE *f, const struct bind_access *a)
{
	if (a->uid != (uid_t)-1)
		(void)fprintf(f, ", OWNER=\"%u\"", (unsigned)a->uid);
	if (a->gid != (gid_t)-1)
		(void)fprintf(f, ", GROUP=\"%u\"", (unsigned)a->gid);
	if (a->mode)
		(void)fprintf(f, ", MODE=\"%04o\"", (unsigned)a->mode);
	(void)fputs("\n", f);
}

/* Text of the rule; *@ret is the caller's to free(). Return: its length, -ENOMEM. */
static int rule_format(const struct bind_entry *n, char **ret)
{
	char address[PCI_ADDRESS_TEXT];
	struct text t;

	if (text_begin(&t) < 0)
		return -ENOMEM;
	FILE *f = t.out;
	(void)fprintf(f, "# Made by usher bind --user; usher release removes it.\n");
	for (size_t i = 0; i < n->count; i++) {
		pci_address_format(n->members[i].address, address);
		(void)fprintf(f,
			"ACTION!=\"remove\", SUBSYSTEM==\"vfio\", KERNEL==\"%d\", "
			"TEST==\"/sys/kernel/iommu_groups/%d/devices/%s\"",
			n->group, n->group, address);
		put_access(f, &n->access);
		(void)fprintf(
			f, "ACTION!=\"remove\", SUBSYSTEM==\"vfio-dev\", KERNELS==\"%s\"", address);
		put_access(f, &n->access);
	}
	return text_end(&t, ret);
}

int bind_access_install(const struct bind_env *env, const struct bind_entry *n, struct err *e)
{
	cleanup_free char *text = NULL;

	int r = bind_access_is(&n->access) ? rule_format(n, &text) : 0;
	if (r >= 0)
		r = env->kernel->rule(n->group, text);
	return r < 0 ? err_set(e, r, "group %d: write the udev rule for its nodes", n->group) : 0;
}

int bind_access_write(int group, const char *text)
{
	char path[FILE_PATH_MAX];

	int r = bind_access_path(group, path, sizeof(path));
	if (r < 0)
		return r;
	if (!text)
		return file_remove(path);
	if (access(UDEV_CONTROL, F_OK) < 0)
		return 0;
	r = file_mkdirs(BIND_RULES_DIR, 0755);
	return r < 0 ? r : file_replace(path, text, strlen(text), 0644);
}
