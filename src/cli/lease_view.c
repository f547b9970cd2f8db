/* SPDX-License-Identifier: MIT */
#include "cli/lease.h"
#include "control/value.h"
#include "engine/spec.h"
#include "view/json.h"
#include "view/plan.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

/* @zone: with seconds and the time zone, for programs. Return: @buf; NULL: it does not expire. */
static const char *until_text(const struct control_value *v, bool zone, char *buf, size_t size)
{
	int64_t n;
	struct tm tm;

	if (!control_value_number(v, "until", &n))
		return NULL;
	const time_t t = (time_t)n;
	if (!localtime_r(&t, &tm))
		return NULL;
	return strftime(buf, size, zone ? "%FT%T%z" : "%F %R", &tm) ? buf : NULL;
}

static void put_devices(struct json *doc, const struct guest_spec *s)
{
	struct json *list = json_put_list(doc, "devices");
	char address[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < s->device_count; i++)
		json_push_text(list, pci_address_format(s->devices[i].address, address));
}

int lease_json(
	const char *name, const struct guest_spec *s, const struct control_value *v, struct err *e)
{
	struct json *doc = NULL;
	char until[40];
	int64_t n;

	int r = json_new("lease", &doc, e);
	if (r < 0)
		return r;
	json_put_text(doc, "lease", name);
	put_devices(doc, s);
	if (control_value_number(v, "keeper", &n))
		json_put_signed(doc, "keeper", n);
	else
		json_put_null(doc, "keeper");
	json_put_text(doc, "until", until_text(v, true, until, sizeof(until)));
	json_put_null(doc, "groups");
	json_put_null(doc, "problems");
	json_put_null(doc, "possible");
	r = json_print(doc, e);
	json_free(doc);
	return r;
}

void lease_text(const char *name, const struct control_value *v)
{
	char until[40];

	if (until_text(v, false, until, sizeof(until)))
		(void)printf("lease '%s', until %s\n", name, until);
	else
		(void)printf("lease '%s'\n", name);
}

int lease_plan_json(const struct guest_spec *s, const struct bind_plan *plan, struct err *e)
{
	struct json *doc = NULL;

	int r = json_new("lease", &doc, e);
	if (r < 0)
		return r;
	json_put_null(doc, "lease");
	put_devices(doc, s);
	json_put_null(doc, "keeper");
	json_put_null(doc, "until");
	plan_json(doc, plan);
	json_put_flag(doc, "possible", plan->refusals == 0);
	r = json_print(doc, e);
	json_free(doc);
	return r;
}
