/* SPDX-License-Identifier: MIT */
#include "desktop/holder.h"

#include "base/file.h"
#include "base/num.h"
#include "hold/stop.h"
#include "host/host.h"

#include <stdio.h>
#include <string.h>

/*
 * How it works. The cgroup of a process tells whether it ends with the desktop:
 *
 *	…/gdm.service…		a unit that is stopped
 *	…/session-2.scope	a session on seat0, which is ended; one by SSH is not
 *	…/user@1000.service/…	services of a user, who has no session but on seat0
 *	…/systemd-logind.service	logind has the card open for its sessions
 *
 * Without systemd, known names of programs tell.
 */

/* "open in Xorg (pid 1203, root)": the name may hold anything, and the number is last. */
static pid_t holder_pid(const char *text)
{
	const char *mark = NULL;
	int pid;

	for (const char *p = strstr(text, " (pid "); p; p = strstr(p + 1, " (pid "))
		mark = p;
	return mark && sscanf(mark, " (pid %d", &pid) == 1 && pid > 1 ? pid : 0;
}

/* One part of the path of a cgroup. */
static bool part_goes(
	struct host *h, const struct desktop_plan *d, const char *part, struct desktop_holder *x)
{
	char id[32];
	unsigned uid;
	int used = 0;

	for (size_t i = 0; i < d->unit_count; i++)
		if (strcmp(part, d->units[i]) == 0)
			return true;
	if (strcmp(part, "systemd-logind.service") == 0 || strcmp(part, "seatd.service") == 0 ||
		strcmp(part, "elogind.service") == 0)
		return true;
	if (sscanf(part, "session-%31[a-zA-Z0-9].scope%n", id, &used) == 1 && used && !part[used]) {
		if (!desktop_session_is_local(h, id))
			return false;
		(void)snprintf(x->session, sizeof(x->session), "%s", id);
		return true;
	}
	used = 0;
	return sscanf(part, "user@%9u.service%n", &uid, &used) == 1 && used && !part[used] &&
	       !desktop_user_stays(h, uid);
}

static bool cgroup_goes(struct host *h, const struct desktop_plan *d, struct desktop_holder *x)
{
	char path[FILE_PATH_MAX], text[4096];

	if (file_path(path, sizeof(path), "/proc/%d/cgroup", (int)x->pid) < 0 ||
		host_read_text(h, path, text, sizeof(text)) <= 0)
		return false;
	/* "0::/…" of version 2, "1:name=systemd:/…" of version 1. */
	char *line = strstr(text, "name=systemd:/");
	line = line ? line : strncmp(text, "0::/", 4) == 0 ? text : NULL;
	if (!line)
		return false;
	line[strcspn(line, "\n")] = '\0';
	for (char *part = strchr(line, '/'); part;) {
		char *next = strchr(++part, '/');
		if (next)
			*next = '\0';
		if (part_goes(h, d, part, x))
			return true;
		part = next;
	}
	return false;
}

/* By its name, as hold/stop knows it. */
static bool name_goes(struct host *h, const struct pci_device *device, const struct hold *o)
{
	struct hold_stop stops[HOLD_STOPS_MAX];
	struct hold one = *o;
	const struct holds holds = {.count = 1, .list = &one};

	size_t count = hold_stops_read(h, device, &holds, stops);
	for (size_t i = 0; i < count; i++)
		if (stops[i].kind == HOLD_STOP_DESKTOP || stops[i].kind == HOLD_STOP_SOUND)
			return true;
	return false;
}

static bool is_of_processes(const struct hold *o)
{
	return strcmp(o->check, "fd") == 0 ||
	       (strcmp(o->check, "gpu") == 0 && strcmp(o->object, "console") != 0);
}

/* A place for one more; NULL: there is none. One that stays displaces one that ends. */
static struct desktop_holder *holder_place(struct desktop_plan *d, const struct desktop_holder *x)
{
	if (d->holder_count < DESKTOP_HOLDERS_MAX)
		return &d->holders[d->holder_count++];
	for (size_t i = d->holder_count; !x->goes && i > 1; i--)
		if (d->holders[i - 1].goes)
			return &d->holders[i - 1];
	return NULL;
}

void desktop_holders_add(struct host *h, const struct pci_device *device, const struct holds *holds,
	struct desktop_plan *d)
{
	for (size_t i = 0; i < holds->count; i++) {
		const struct hold *o = &holds->list[i];

		if (!is_of_processes(o))
			continue;
		struct desktop_holder x = {
			.pid = o->unsure ? 0 : holder_pid(o->text), .address = device->address};
		(void)snprintf(x.object, sizeof(x.object), "%s", o->object);
		(void)snprintf(x.text, sizeof(x.text), "%s", o->text);
		x.goes = x.pid && !o->absolute &&
			 (d->has_systemd ? cgroup_goes(h, d, &x) : name_goes(h, device, o));
		struct desktop_holder *place = holder_place(d, &x);
		if (place)
			*place = x;
	}
}

bool desktop_holds_console(const struct holds *holds)
{
	for (size_t i = 0; i < holds->count; i++)
		if (strcmp(holds->list[i].check, "gpu") == 0 &&
			strcmp(holds->list[i].object, "console") == 0)
			return true;
	return false;
}
