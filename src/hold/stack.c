/* SPDX-License-Identifier: MIT */
#include "hold/stack.h"

#include "base/file.h"
#include "base/num.h"

#include <stdio.h>
#include <string.h>

bool hold_stack_has(const struct hold_stack *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->names[i], name) == 0)
			return true;
	return false;
}

void hold_stack_add(struct hold_stack *s, const char *name)
{
	if (s->count < HOLD_STACK_MAX && strlen(name) < HOLD_INTERFACE_MAX &&
		!hold_stack_has(s, name))
		memcpy(s->names[s->count++], name, strlen(name) + 1);
}

/* Each port of br0 has "upper_br0" in its folder. */
static int add_upper(void *arg, const char *name)
{
	if (strncmp(name, "upper_", 6) == 0)
		hold_stack_add(arg, name + 6);
	return 0;
}

static bool attribute_exists(struct host *h, const char *interface, const char *attr)
{
	char path[FILE_PATH_MAX], text[32];

	return file_path(path, sizeof(path), "/sys/class/net/%s/%s", interface, attr) == 0 &&
	       host_read_text(h, path, text, sizeof(text)) >= 0;
}

static int stop_at_lower(void *arg, const char *name)
{
	return strncmp(name, "lower_", 6) == 0;
}

/* The kernel says which kind most interfaces are; those of a bridge of Open vSwitch have none. */
static bool is_internal(struct host *h, const struct hold_link *x)
{
	static const char *const kinds[] = {"tun_flags", "bridge/stp_state", "bonding/mode"};
	char path[FILE_PATH_MAX], text[256];

	if (!strstr(x->target, "/devices/virtual/") || strcmp(x->name, "lo") == 0)
		return false;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (attribute_exists(h, x->name, kinds[i]))
			return false;
	if (file_path(path, sizeof(path), "/sys/class/net/%s/uevent", x->name) < 0 ||
		(host_read_text(h, path, text, sizeof(text)) > 0 && strstr(text, "DEVTYPE=")))
		return false;
	uint64_t index = 0, link = 0;
	if (file_path(path, sizeof(path), "/sys/class/net/%s/ifindex", x->name) == 0 &&
		host_read_number(h, path, &index) == 0 &&
		file_path(path, sizeof(path), "/sys/class/net/%s/iflink", x->name) == 0 &&
		host_read_number(h, path, &link) == 0 && index != link)
		return false; /* veth, macvlan */
	return file_path(path, sizeof(path), "/sys/class/net/%s", x->name) == 0 &&
	       h->ops->list(h, path, stop_at_lower, NULL) <= 0;
}

/*
 * Ports of Open vSwitch have ovs-system as their master, and no link leads from there to the
 * internal port that has the host's address. So each interface that may be one counts.
 */
static void stack_fill_switch(struct hold_stack *s)
{
	const struct hold_links *l = &s->c->view->net;

	if (!hold_stack_has(s, "ovs-system"))
		return;
	for (size_t i = 0; i < l->count; i++)
		if (is_internal(s->c->view->host, &l->list[i]))
			hold_stack_add(s, l->list[i].name);
}

void hold_stack_fill(struct hold_stack *s, const char *name)
{
	struct host *h = s->c->view->host;
	char path[FILE_PATH_MAX], master[64];
	size_t i = s->count;

	hold_stack_add(s, name);
	for (; i < s->count; i++) {
		if (file_path(path, sizeof(path), "/sys/class/net/%s/master", s->names[i]) == 0 &&
			host_link_name(h, path, master, sizeof(master)) > 0)
			hold_stack_add(s, master);
		if (file_path(path, sizeof(path), "/sys/class/net/%s", s->names[i]) == 0)
			(void)h->ops->list(h, path, add_upper, s);
	}
	stack_fill_switch(s);
}

const char *hold_stack_through(const struct hold_stack *s, const char *name, char *buf, size_t size)
{
	bool lowest = strcmp(s->names[0], name) == 0;

	(void)snprintf(buf, size, "%s%s", lowest ? "" : " through ", lowest ? "" : name);
	return buf;
}
