/* SPDX-License-Identifier: MIT */
#include "cli/operand.h"

#include "base/err.h"
#include "cli/option.h"
#include "cli/report.h"
#include "host/host.h"
#include "view/hint.h"
#include "view/lookup.h"

#include <errno.h>
#include <stdlib.h>

static int resolve_word(struct operands *o, const struct verb *v, const char *word)
{
	struct err e = {0};

	if (lookup_device(o->host, word, &o->addresses[o->count]) == 0) {
		o->count++;
		return 0;
	}
	(void)err_say(
		&e, -EINVAL, "%s: '%s' is not a PCI address, interface or disk", v->name, word);
	hint_word(o->host, word, &e);
	report(&e);
	return LEAVE_USAGE;
}

int operands_open(
	struct operands *o, const struct verb *v, const char *file, int count, char **words)
{
	struct err e = {0};

	*o = (struct operands){0};
	int r = option_host(file, &o->host);
	if (r)
		return r;
	o->addresses = calloc((size_t)count + 1, sizeof(*o->addresses));
	if (!o->addresses) {
		(void)err_set(&e, -ENOMEM, "%s", v->name);
		report(&e);
		return LEAVE_FAILED;
	}
	for (int i = 0; r == 0 && i < count; i++)
		r = resolve_word(o, v, words[i]);
	return r;
}

void operands_close(struct operands *o)
{
	host_close(o->host);
	free(o->addresses);
}
