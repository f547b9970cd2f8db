/* SPDX-License-Identifier: MIT */
#include "hold/hold.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "hold/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOLDS_MAX 256 /* more would be told to nobody; the device is held all the same */

static int (*const sources[])(struct hold_case *c) = {
	hold_block,
	hold_net,
	hold_vfio,
	hold_sriov,
	hold_gpu,
	hold_input,
	hold_fd,
};

const char *const hold_checks[] = {"block", "net", "vfio", "sriov", "gpu", "input", "fd", NULL};

bool hold_below(const struct hold_case *c, const char *target)
{
	size_t n = strlen(c->address);

	for (const char *p = strstr(target, c->address); p; p = strstr(p + 1, c->address))
		if (p > target && p[-1] == '/' && (p[n] == '/' || p[n] == '\0'))
			return true;
	return false;
}

int hold_add(struct hold_case *c, const char *check, enum hold_weight weight, const char *object,
	const char *fmt, ...)
{
	struct holds *f = c->found;
	char text[512];
	va_list ap;

	size_t known = 0;
	while (hold_checks[known] && strcmp(hold_checks[known], check) != 0)
		known++;
	if (!hold_checks[known])
		return -EINVAL;
	if (f->count == HOLDS_MAX)
		return 0;
	struct hold *list = reallocarray(f->list, f->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	f->list = list;
	struct hold *h = &list[f->count++];
	*h = (struct hold){
		.check = check,
		.absolute = weight == HOLD_ABSOLUTE,
		.unsure = weight == HOLD_UNSURE,
	};
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	file_escape(h->object, sizeof(h->object), object);
	file_escape(h->text, sizeof(h->text), text);
	return 0;
}

int hold_find_in(struct hold_view *v, const struct pci_device *d, struct holds *ret, struct err *e)
{
	struct hold_case c = {.view = v, .device = d, .found = ret};
	int r = 0;

	*ret = (struct holds){0};
	if (d->is_bridge)
		return 0;
	pci_address_format(d->address, c.address);
	for (size_t i = 0; r == 0 && i < COUNT(sources); i++)
		r = sources[i](&c);
	if (r < 0) {
		holds_fini(ret);
		return err_set(e, r, "%s: find out who uses it", c.address);
	}
	return 0;
}

int hold_find(struct host *h, const struct pci_device *d, struct holds *ret, struct err *e)
{
	struct hold_view *v;

	int r = hold_view_new(h, &v, e);
	if (r < 0)
		return r;
	r = hold_find_in(v, d, ret, e);
	hold_view_free(v);
	return r;
}

void holds_fini(struct holds *h)
{
	free(h->list);
	*h = (struct holds){0};
}
