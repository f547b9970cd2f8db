/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "base/num.h"
#include "hold/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* linux/input-event-codes.h */
#define EV_REP 0x14 /* keys repeat on keyboards, not on buttons */
#define EV_LED 0x11 /* keyboards have lamps for their locks */
#define REL_XY 0x3 /* REL_X and REL_Y: a pointer */

/* A list of words in hex, the last one with the lowest bits. Return: that word; 0 for none. */
static uint64_t capability_read(struct host *h, const char *input, const char *kind)
{
	char path[FILE_PATH_MAX], text[256];
	uint64_t bits = 0;

	if (file_path(path, sizeof(path), "/sys/class/input/%s/capabilities/%s", input, kind) < 0 ||
		host_read_text(h, path, text, sizeof(text)) < 0)
		return 0;
	const char *last = strrchr(text, ' ');
	return num_parse(last ? last + 1 : text, 16, UINT64_MAX, &bits) == 0 ? bits : 0;
}

/* "input5", not its "event5" or "mouse0". */
static bool is_input(const char *name)
{
	return strncmp(name, "input", 5) == 0;
}

static bool is_keyboard(struct host *h, const char *name)
{
	return is_input(name) && capability_read(h, name, "ev") >> EV_REP & 1;
}

static const char *input_name(struct host *h, const char *input, char *buf, size_t size)
{
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "/sys/class/input/%s/name", input) < 0 ||
		host_read_text(h, path, buf, size) < 0)
		(void)snprintf(buf, size, "no name");
	return buf;
}

/* The part of an input's link that names its USB device: up to ":1.0/". Return: its length; 0. */
static size_t usb_device_length(const char *target)
{
	const char *found = NULL;

	/* "…/usb1/1-2/1-2:1.1/0003:046D:C332.0004/input/input12" */
	for (const char *p = strchr(target, '/'); p; p = strchr(p + 1, '/')) {
		size_t n = strcspn(p + 1, ":/");
		if (p[1 + n] == ':' && strspn(p + 1, "0123456789-.") == n && memchr(p + 1, '-', n))
			found = p;
	}
	return found ? (size_t)(found - target) : 0;
}

static bool is_pointer(struct host *h, const char *input)
{
	char name[128];

	return (capability_read(h, input, "rel") & REL_XY) == REL_XY ||
	       strcasestr(input_name(h, input, name, sizeof(name)), "mouse");
}

/* Mice with macro keys, and receivers of mice and keyboards, say that they have a keyboard. */
static bool is_beside_pointer(struct host *h, const struct hold_links *l, const char *target)
{
	size_t n = usb_device_length(target);

	for (size_t i = 0; n && i < l->count; i++)
		if (is_input(l->list[i].name) && strncmp(l->list[i].target, target, n + 1) == 0 &&
			is_pointer(h, l->list[i].name))
			return true;
	return false;
}

/*
 * Whether somebody can certainly type on it. Scanners, remote controls, security keys, hot keys of
 * laptops and programs (uinput) pass for keyboards as well.
 */
static bool is_sure_keyboard(struct host *h, const struct hold_links *l, const struct hold_link *x)
{
	static const char *const others[] = {"mouse", "scanner", "barcode", "receiver", "remote",
		"yubi", "security key", "button", "hotkey", "hot key", "virtual"};
	char name[128];

	if (!is_keyboard(h, x->name) || strstr(x->target, "/devices/virtual/") ||
		!(capability_read(h, x->name, "ev") >> EV_LED & 1))
		return false;
	input_name(h, x->name, name, sizeof(name));
	for (size_t i = 0; i < COUNT(others); i++)
		if (strcasestr(name, others[i]))
			return false;
	return !is_beside_pointer(h, l, x->target);
}

/* The last keyboard of the host's console. */
static int find_keyboard(struct hold_case *c)
{
	const struct hold_links *l = &c->view->input;
	struct host *h = c->view->host;
	const char *ours = NULL;
	char name[128];

	/* Most devices have none, so the others' are not looked at first. */
	for (size_t i = 0; i < l->count; i++)
		if (hold_below(c, l->list[i].target) && is_keyboard(h, l->list[i].name) &&
			(!ours || is_sure_keyboard(h, l, &l->list[i])))
			ours = l->list[i].name;
	if (!ours)
		return 0;
	for (size_t i = 0; i < l->count; i++)
		if (!hold_below(c, l->list[i].target) && is_sure_keyboard(h, l, &l->list[i]))
			return 0; /* another one is left */
	return hold_add(c, "input", HOLD_PLAIN, ours, "the only keyboard of this host (%s)",
		input_name(h, ours, name, sizeof(name)));
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
