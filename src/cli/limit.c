/* SPDX-License-Identifier: MIT */
#include "cli/limit.h"

#include "base/err.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "engine/spec.h"
#include "view/json.h"

#include <inttypes.h>
#include <stdio.h>

static int leave_wrong(const struct err *e)
{
	report(e);
	return LEAVE_USAGE;
}

int limit_take_cpu(struct guest_spec *s, const char *text)
{
	struct err e = {0};

	return limit_parse_cpu(text, &s->limit, &e) < 0 ? leave_wrong(&e) : 0;
}

int limit_take_memory(struct guest_spec *s, const char *text)
{
	struct err e = {0};

	return limit_parse_memory(text, &s->limit, &e) < 0 ? leave_wrong(&e) : 0;
}

void limit_print(const struct guest_spec *s)
{
	if (s->limit.cpu)
		(void)printf("cpu limit: %u%% of one processor\n", s->limit.cpu);
	if (s->limit.kind == LIMIT_MEMORY_GIVEN)
		(void)printf("memory limit: %" PRIu64 " MiB\n", s->limit.memory >> 20);
}

void limit_put(struct json *guest, const struct guest_spec *s)
{
	struct json *limits = json_put_map(guest, "limits");

	if (s->limit.cpu)
		json_put_number(limits, "cpu", s->limit.cpu);
	else
		json_put_null(limits, "cpu");
	if (s->limit.kind == LIMIT_MEMORY_GIVEN)
		json_put_number(limits, "memory", s->limit.memory);
	else
		json_put_null(limits, "memory");
}
