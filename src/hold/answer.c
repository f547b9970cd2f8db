/* SPDX-License-Identifier: MIT */
/* What all sources share: is a thing below the device, and where an answer is stored. */
#include "base/file.h"
#include "hold/hold.h"
#include "hold/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOLDS_MAX 256 /* more would not help the reader */

const char *const hold_checks[] = {
	"block", "net", "vfio", "sriov", "dma", "gpu", "input", "fd", NULL};

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
		.absolute = weight == HOLD_ABSOLUTE || weight == HOLD_WAITS,
		.waits = weight == HOLD_WAITS,
		.session = weight == HOLD_SESSION,
		.unsure = weight == HOLD_UNSURE,
	};
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	file_escape(h->object, sizeof(h->object), object);
	file_escape(h->text, sizeof(h->text), text);
	return 0;
}
