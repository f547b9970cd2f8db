/* SPDX-License-Identifier: MIT */
#include "bind/exclusive.h"

#include "base/err.h"
#include "bind/kernel_ops.h"
#include "host/disk_node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int bind_exclusive_claim(const char *disk)
{
	return disk_node_open(disk, O_RDONLY | O_EXCL | O_NONBLOCK);
}

void bind_exclusive_release(int claim)
{
	(void)close(claim);
}

/* Whether the caller takes the device though a disk of it is in use. */
static bool use_is_allowed(const struct bind_plan *p, struct pci_address a)
{
	char address[PCI_ADDRESS_TEXT];

	pci_address_format(a, address);
	for (size_t i = 0; i < p->problem_count; i++) {
		const struct bind_problem *b = &p->problems[i];
		if (!b->refuses && strcmp(b->check, "block") == 0 &&
			strcmp(b->object, address) == 0)
			return true;
	}
	return false;
}

int bind_exclusive_begin(struct bind_exclusive *x, const struct bind_env *env,
	const struct bind_plan *p, struct err *e)
{
	*x = (struct bind_exclusive){.env = env};
	if (!p->disk_count)
		return 0;
	x->list = calloc(p->disk_count, sizeof(*x->list));
	if (!x->list)
		return err_set(e, -ENOMEM, "hold disks");
	for (size_t i = 0; i < p->disk_count; i++) {
		const struct bind_disk *d = &p->disks[i];
		int claim = env->kernel->disk_claim(d->name);
		if (claim >= 0)
			x->list[x->count++] = (struct bind_exclusive_disk){d->address, claim};
		else if (claim == -EBUSY && !use_is_allowed(p, d->address))
			return err_say(e, -EBUSY,
				"%s: a program claimed it after usher had found it free", d->name);
	}
	return 0;
}

static void disk_give_up(struct bind_exclusive *x, struct bind_exclusive_disk *d)
{
	if (d->claim >= 0)
		x->env->kernel->disk_release(d->claim);
	d->claim = -1;
}

void bind_exclusive_leave(struct bind_exclusive *x, struct pci_address a)
{
	for (size_t i = 0; i < x->count; i++)
		if (pci_address_equal(x->list[i].address, a))
			disk_give_up(x, &x->list[i]);
}

void bind_exclusive_end(struct bind_exclusive *x)
{
	for (size_t i = 0; i < x->count; i++)
		disk_give_up(x, &x->list[i]);
	free(x->list);
	*x = (struct bind_exclusive){0};
}
