/* SPDX-License-Identifier: MIT */
#include "cli/target.h"

#include "base/err.h"
#include "base/num.h"
#include "bind/checks.h"
#include "cli/operand.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/user.h"
#include "host/host.h"
#include "view/nearest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int targets_add_id(struct targets *t, const char *text)
{
	const struct verb *v = t->verb;
	char word[10];
	uint64_t vendor, device;

	size_t len = strlen(text);
	if (len < sizeof(word))
		memcpy(word, text, len + 1);
	char *colon = len < sizeof(word) ? strchr(word, ':') : NULL;
	if (!colon)
		return option_wrong(v, "--id: '%s' is not an id like 10de:2484", text);
	*colon = '\0';
	if (num_parse(word, 16, UINT16_MAX, &vendor) < 0 ||
		num_parse(colon + 1, 16, UINT16_MAX, &device) < 0)
		return option_wrong(v, "--id: '%s' is not an id like 10de:2484", text);
	if (t->id_count == TARGETS_MAX)
		return option_wrong(v, "at most %d --id can be given", TARGETS_MAX);
	struct bind_target *b = &t->list[t->id_count++];
	b->has_id = true;
	b->vendor = (uint16_t)vendor;
	b->device = (uint16_t)device;
	return 0;
}

int targets_check_name(const struct verb *v, const char *text)
{
	struct nearest near = nearest_begin(text);
	char list[256] = "";
	const struct bind_check *c;
	struct err e = {0};

	if (bind_check_find(text))
		return 0;
	for (size_t i = 0; (c = bind_check_at(i)); i++) {
		nearest_try(&near, c->name);
		if (c->lift == BIND_LIFT_NEVER)
			continue;
		(void)snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
			list[0] ? ", " : "", c->name);
	}
	err_say(&e, -EINVAL, "%s: --allow: there is no check '%.40s'", v->name, text);
	if (near.word)
		err_hint(&e, "did you mean '%s'? It takes %s; 'usher check --list' explains them",
			near.word, list);
	else
		err_hint(&e, "it takes %s; 'usher check --list' explains them", list);
	report(&e);
	return LEAVE_USAGE;
}

static int targets_add_allow(struct targets *t, const char *text)
{
	int r = targets_check_name(t->verb, text);
	if (r)
		return r;
	if (t->allow_count == ALLOWS_MAX)
		return option_wrong(t->verb, "at most %d --allow can be given", ALLOWS_MAX);
	t->allow[t->allow_count++] = text;
	return 0;
}

int targets_option(struct targets *t, int c, const char *text)
{
	switch (c) {
	case TARGETS_ID:
		return targets_add_id(t, text);
	case TARGETS_ALLOW:
		return targets_add_allow(t, text);
	case TARGETS_USER:
		t->user = text;
		break;
	case TARGETS_USER_GROUP:
		t->user_group = text;
		break;
	case TARGETS_DRY_RUN:
		t->dry_run = true;
		break;
	case TARGETS_JSON:
		t->json = true;
		break;
	case TARGETS_HOST:
		t->host = text;
		break;
	}
	return 0;
}

int targets_timeout(struct bind_env *env, const struct verb *v, const char *text)
{
	uint64_t seconds;

	if (num_parse(text, 10, 3600, &seconds) < 0 || !seconds)
		return option_wrong(v, "--timeout: '%s' is not a number of seconds", text);
	env->timeout_ms = (int)seconds * 1000;
	return 0;
}

int targets_access(const struct targets *t, struct bind_access *ret)
{
	*ret = BIND_ACCESS_NONE;
	if (t->user && user_find(t->user, ret) < 0)
		return option_wrong(t->verb,
			"--user: /etc/passwd has no user '%s'; a number is accepted as well",
			t->user);
	if (t->user_group && user_find_group(t->user_group, ret) < 0)
		return option_wrong(t->verb,
			"--user-group: /etc/group has no group '%s'; a number is accepted as well",
			t->user_group);
	return 0;
}

int targets_operands(struct targets *t, struct host *h, int count, char **words, size_t least)
{
	const struct verb *v = t->verb;

	for (int i = 0; i < count; i++) {
		if (t->count == TARGETS_MAX)
			return option_wrong(v, "at most %d devices can be given", TARGETS_MAX);
		int r = operand_one(v, h, words[i], &t->list[t->count].address);
		if (r)
			return r;
		t->count++;
	}
	if (t->count < least)
		return option_wrong(v, "no device given");
	if (t->id_count && t->id_count != t->count)
		return option_wrong(v, "%zu --id for %zu devices: give none, or one for each",
			t->id_count, t->count);
	return 0;
}

int targets_open(struct targets *t, struct host **ret, int count, char **words, size_t least)
{
	struct host *h = NULL;

	if (t->host && !t->dry_run)
		return option_wrong(
			t->verb, "--host needs --dry-run: a snapshot cannot be changed");
	int r = option_host(t->host, &h);
	if (r)
		return r;
	r = targets_operands(t, h, count, words, least);
	if (r)
		host_close(h);
	else
		*ret = h;
	return r;
}

static int target_group(const struct bind_env *env, struct pci_address a, struct err *e)
{
	char address[PCI_ADDRESS_TEXT];
	struct pci_device d;

	int r = pci_device_peek(env->host, a, &d, e);
	int group = r == 0 ? d.group : r == -ENODEV ? bind_lease_group_of(env, a) : PCI_GROUP_NONE;
	if (group != PCI_GROUP_NONE || r < 0)
		return group != PCI_GROUP_NONE ? group : r;
	return err_say(e, -ENODEV, "%s: has no IOMMU group", pci_address_format(a, address));
}

int targets_groups(const struct targets *t, const struct bind_env *env, int *ret, struct err *e)
{
	int n = 0;

	for (size_t i = 0; i < t->count; i++) {
		int group = target_group(env, t->list[i].address, e);
		if (group < 0)
			return group;
		int k = 0;
		while (k < n && ret[k] != group)
			k++;
		if (k == n)
			ret[n++] = group;
	}
	return n;
}
