/* SPDX-License-Identifier: MIT */
#include "hold/stack.h"

#include "base/file.h"

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
}

const char *hold_stack_through(const struct hold_stack *s, const char *name, char *buf, size_t size)
{
	bool lowest = strcmp(s->names[0], name) == 0;

	(void)snprintf(buf, size, "%s%s", lowest ? "" : " through ", lowest ? "" : name);
	return buf;
}
