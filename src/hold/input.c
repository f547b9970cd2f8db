/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "base/num.h"
#include "hold/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EV_REP 0x14 /* linux/input-event-codes.h: keys repeat on keyboards, not on buttons */

static bool is_keyboard(struct host *h, const char *name)
{
	char path[FILE_PATH_MAX], text[64];
	uint64_t bits;

	/* "input5", not its "event5" or "mouse0". */
	if (strncmp(name, "input", 5) != 0 ||
		file_path(path, sizeof(path), "/sys/class/input/%s/capabilities/ev", name) < 0 ||
		host_read_text(h, path, text, sizeof(text)) < 0)
		return false;
	return num_parse(text, 16, UINT64_MAX, &bits) == 0 && bits >> EV_REP & 1;
}

/* The last keyboard of the host's console. */
static int find_keyboard(struct hold_case *c)
{
	const struct hold_links *l = &c->view->input;
	const char *ours = NULL;
	char path[FILE_PATH_MAX], name[128];

	/* Most devices have none, so the others' are not looked at first. */
	for (size_t i = 0; i < l->count && !ours; i++)
		if (hold_below(c, l->list[i].target) && is_keyboard(c->view->host, l->list[i].name))
			ours = l->list[i].name;
	if (!ours)
		return 0;
	for (size_t i = 0; i < l->count; i++)
		if (!hold_below(c, l->list[i].target) &&
			is_keyboard(c->view->host, l->list[i].name))
			return 0; /* another one is left */
	int r = file_path(path, sizeof(path), "/sys/class/input/%s/name", ours);
	if (r < 0 || host_read_text(c->view->host, path, name, sizeof(name)) < 0)
		(void)snprintf(name, sizeof(name), "no name");
	return hold_add(c, "input", HOLD_PLAIN, ours, "the only keyboard of this host (%s)", name);
}

/* A serial port that the kernel writes its messages to. */
static int find_console(struct hold_case *c)
{
	const struct hold_links *l;
	int r = hold_view_consoles(c->view, &l);

	for (size_t i = 0; r == 0 && i < l->count; i++)
		if (hold_below(c, l->list[i].target))
			r = hold_add(c, "input", HOLD_PLAIN, l->list[i].name,
				"console of this host's kernel");
	return r;
}

int hold_input(struct hold_case *c)
{
	int r = find_keyboard(c);

	return r < 0 ? r : find_console(c);
}
