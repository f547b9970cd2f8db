/* SPDX-License-Identifier: MIT */
#include "hold/stop.h"

#include "base/file.h"
#include "base/num.h"
#include "host/host.h"
#include "pci/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * How it works. Invariant: each command ends exactly what holds the device, and one that a later
 * step would start again comes after that step.
 *
 * A process belongs to a unit of systemd, or to a container: its cgroup tells. Some programs are
 * known by name instead. A graphical session has the card open in several processes, logind among
 * them, and ends as a whole. Programs come before the services that serve them, the session after
 * both, and the console and the modules last, because the session uses them.
 */

/* Of names in commands: a shell takes them as they are. */
#define PLAIN_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@:"

struct known_program {
	const char *comm; /* as in /proc/PID/comm: 15 characters at most */
	enum hold_stop_kind kind;
	const char *unit; /* of a service, if the cgroup does not tell */
};

static const struct known_program programs[] = {
	{"qemu-system-x86", HOLD_STOP_GUEST, NULL},
	{"qemu-kvm", HOLD_STOP_GUEST, NULL},
	{"kvm", HOLD_STOP_GUEST, NULL},
	{"nvidia-persiste", HOLD_STOP_SERVICE, "nvidia-persistenced"},
	{"nvidia-powerd", HOLD_STOP_SERVICE, "nvidia-powerd"},
	{"nv-hostengine", HOLD_STOP_SERVICE, "nvidia-dcgm"},
	{"ollama", HOLD_STOP_SERVICE, "ollama"},
	{"ollama_llama_se", HOLD_STOP_SERVICE, "ollama"},
	{"smartd", HOLD_STOP_SERVICE, "smartd"},
	{"fwupd", HOLD_STOP_SERVICE, "fwupd"},
	{"multipathd", HOLD_STOP_SERVICE, "multipathd"},
	{"pipewire", HOLD_STOP_SOUND, NULL},
	{"pipewire-pulse", HOLD_STOP_SOUND, NULL},
	{"wireplumber", HOLD_STOP_SOUND, NULL},
	{"pulseaudio", HOLD_STOP_SOUND, NULL},
	{"systemd-logind", HOLD_STOP_DESKTOP, NULL},
	{"seatd", HOLD_STOP_DESKTOP, NULL},
	{"Xorg", HOLD_STOP_DESKTOP, NULL},
	{"X", HOLD_STOP_DESKTOP, NULL},
	{"Xwayland", HOLD_STOP_DESKTOP, NULL},
	{"gnome-shell", HOLD_STOP_DESKTOP, NULL},
	{"kwin_wayland", HOLD_STOP_DESKTOP, NULL},
	{"kwin_x11", HOLD_STOP_DESKTOP, NULL},
	{"plasmashell", HOLD_STOP_DESKTOP, NULL},
	{"ksmserver", HOLD_STOP_DESKTOP, NULL},
	{"sddm", HOLD_STOP_DESKTOP, NULL},
	{"sddm-greeter", HOLD_STOP_DESKTOP, NULL},
	{"sway", HOLD_STOP_DESKTOP, NULL},
	{"Hyprland", HOLD_STOP_DESKTOP, NULL},
	{"weston", HOLD_STOP_DESKTOP, NULL},
	{"mutter", HOLD_STOP_DESKTOP, NULL},
	{"cinnamon", HOLD_STOP_DESKTOP, NULL},
	{"cosmic-comp", HOLD_STOP_DESKTOP, NULL},
	{"labwc", HOLD_STOP_DESKTOP, NULL},
	{"wayfire", HOLD_STOP_DESKTOP, NULL},
	{"gamescope-wl", HOLD_STOP_DESKTOP, NULL},
};

struct stops {
	struct host *host;
	const struct pci_device *device;
	size_t count;
	struct hold_stop *list;
};

static void stop_add(
	struct stops *s, enum hold_stop_kind kind, const char *what, const char *command)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->list[i].command, command) == 0)
			return;
	if (s->count == HOLD_STOPS_MAX)
		return;
	struct hold_stop *x = &s->list[s->count++];
	x->kind = kind;
	x->order = s->count;
	file_escape(x->what, sizeof(x->what), what);
	file_escape(x->command, sizeof(x->command), command);
}

/* The cgroup of a process without its last part's suffix: "/system.slice/ollama.service". */
static bool cgroup_read(struct host *h, int pid, char *buf, size_t size)
{
	char path[FILE_PATH_MAX], text[2048];

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (host_read_text(h, path, text, sizeof(text)) <= 0)
		return false;
	/* "0::/…" of version 2, "1:name=systemd:/…" of version 1. */
	const char *line = strstr(text, "name=systemd:");
	line = line                           ? line + strlen("name=systemd:")
	       : strncmp(text, "0::", 3) == 0 ? text + 3
					      : NULL;
	if (!line)
		return false;
	(void)snprintf(buf, size, "%.*s", (int)strcspn(line, "\n"), line);
	return true;
}

/* The name between @front and @back in a cgroup's last part. Return: false if there is none. */
static bool unit_name(
	const char *cgroup, const char *front, const char *back, char *buf, size_t size)
{
	const char *last = file_base(cgroup);
	size_t n = strlen(last), a = strlen(front), b = strlen(back);

	if (n <= a + b || strncmp(last, front, a) != 0 || strcmp(last + n - b, back) != 0 ||
		last[strspn(last, PLAIN_CHARACTERS)])
		return false;
	(void)snprintf(buf, size, "%.*s", (int)(n - a - b), last + a);
	return true;
}

static const struct known_program *program_find(const char *comm)
{
	for (size_t i = 0; i < COUNT(programs); i++)
		if (strcmp(programs[i].comm, comm) == 0)
			return &programs[i];
	return NULL;
}

/* A container of Docker or Podman, or a guest of libvirt. Return: false if it is none. */
static bool add_contained(struct stops *s, const char *cgroup, const char *what)
{
	static const struct {
		const char *front;
		const char *command;
	} kinds[] = {{"docker-", "docker stop"}, {"libpod-", "podman stop"}};
	char name[96], command[160];

	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (!unit_name(cgroup, kinds[i].front, ".scope", name, sizeof(name)))
			continue;
		(void)snprintf(command, sizeof(command), "%s %.12s", kinds[i].command, name);
		stop_add(s, HOLD_STOP_CONTAINER, what, command);
		return true;
	}
	if (strncmp(cgroup, "/docker/", 8) != 0)
		return false;
	(void)snprintf(command, sizeof(command), "docker stop %.12s", file_base(cgroup));
	stop_add(s, HOLD_STOP_CONTAINER, what, command);
	return true;
}

static void add_desktop(struct stops *s, const char *cgroup, const char *what)
{
	char target[FILE_PATH_MAX], session[32], command[160];

	if (s->host->ops->link(s->host, "/etc/systemd/system/display-manager.service", target,
		    sizeof(target)) > 0 ||
		!unit_name(cgroup, "session-", ".scope", session, sizeof(session)))
		(void)snprintf(command, sizeof(command), "systemctl stop display-manager");
	else
		(void)snprintf(command, sizeof(command), "loginctl terminate-session %s", session);
	stop_add(s, HOLD_STOP_DESKTOP, what, command);
}

static void add_sound(struct stops *s, const char *comm, const char *what)
{
	stop_add(s, HOLD_STOP_SOUND, what,
		strcmp(comm, "pulseaudio") == 0
			? "systemctl --user stop pulseaudio.socket pulseaudio"
			: "systemctl --user stop pipewire.socket pipewire-pulse.socket wireplumber "
			  "pipewire-pulse pipewire");
}

static bool is_without_systemd(struct host *h)
{
	static const char *const signs[] = {"/sbin/openrc-run", "/usr/bin/openrc-run",
		"/etc/unraid-version", "/etc/slackware-version"};
	struct host_number n;

	for (size_t i = 0; i < COUNT(signs); i++)
		if (h->ops->number(h, signs[i], &n) == 0)
			return true;
	return false;
}

static void add_process(struct stops *s, const char *comm, int pid, const char *what)
{
	const struct known_program *known = program_find(comm);
	char cgroup[1024] = "", name[96], command[160];
	bool has_unit = cgroup_read(s->host, pid, cgroup, sizeof(cgroup)) &&
			unit_name(cgroup, "", ".service", name, sizeof(name));

	if (known && known->kind == HOLD_STOP_DESKTOP) {
		add_desktop(s, cgroup, what);
	} else if (known && known->kind == HOLD_STOP_SOUND) {
		add_sound(s, comm, what);
	} else if (add_contained(s, cgroup, what)) {
		return;
	} else if (has_unit && strstr(cgroup, "/system.slice/")) {
		(void)snprintf(command, sizeof(command), "systemctl stop %s", name);
		stop_add(s, HOLD_STOP_SERVICE, what, command);
	} else if (known && known->unit && !is_without_systemd(s->host)) {
		(void)snprintf(command, sizeof(command), "systemctl stop %s", known->unit);
		stop_add(s, HOLD_STOP_SERVICE, what, command);
	} else if (known && known->kind == HOLD_STOP_GUEST) {
		stop_add(s, HOLD_STOP_GUEST, what, "shut this guest down");
	} else {
		(void)snprintf(command, sizeof(command), "kill %d", pid);
		stop_add(s, HOLD_STOP_PROGRAM, what, command);
	}
}

/* "open in Xorg (pid 1203, root)": the name may hold anything, and the number is last. */
static void add_user(struct stops *s, const struct hold *o)
{
	static const char *const fronts[] = {"open in ", "mapped by "};
	const char *mark = NULL, *comm = o->text;
	char name[64], what[96];
	int pid;

	for (const char *p = strstr(o->text, " (pid "); p; p = strstr(p + 1, " (pid "))
		mark = p;
	if (!mark || sscanf(mark, " (pid %d", &pid) != 1 || pid <= 1)
		return;
	for (size_t i = 0; i < COUNT(fronts); i++)
		if (strncmp(comm, fronts[i], strlen(fronts[i])) == 0)
			comm += strlen(fronts[i]);
	if (comm >= mark)
		return;
	(void)snprintf(name, sizeof(name), "%.*s", (int)(mark - comm), comm);
	(void)snprintf(what, sizeof(what), "%s (pid %d)", name, pid);
	add_process(s, name, pid, what);
}

/* A volume by its maker: "md0", or the name of a device-mapper's device. */
static void add_volume(struct stops *s, const char *disk, const char *name)
{
	static const struct {
		const char *front; /* of dm/uuid */
		const char *command;
	} kinds[] = {{"LVM-", "lvchange -an /dev/mapper/"}, {"CRYPT-", "cryptsetup close "},
		{"mpath-", "multipath -f "}};
	char path[FILE_PATH_MAX], uuid[160], alias[96], command[160];

	if (strncmp(name, "md", 2) == 0) {
		(void)snprintf(command, sizeof(command), "mdadm --stop /dev/%s", name);
		stop_add(s, HOLD_STOP_DISK, disk, command);
		return;
	}
	if (file_path(path, sizeof(path), "/sys/class/block/%s/dm/uuid", name) < 0 ||
		host_read_text(s->host, path, uuid, sizeof(uuid)) <= 0 ||
		file_path(path, sizeof(path), "/sys/class/block/%s/dm/name", name) < 0 ||
		host_read_text(s->host, path, alias, sizeof(alias)) <= 0 ||
		alias[strspn(alias, PLAIN_CHARACTERS "+")])
		return;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (strncmp(uuid, kinds[i].front, strlen(kinds[i].front)) != 0)
			continue;
		(void)snprintf(command, sizeof(command), "%s%s", kinds[i].command, alias);
		stop_add(s, HOLD_STOP_DISK, disk, command);
	}
}

#define VOLUMES_MAX 8 /* volumes above one another */

/* "part of md0, part of dm-1 (vg-data), mounted at /srv": the highest first. */
static void add_volumes(struct stops *s, const struct hold *o)
{
	static const char part[] = "part of ";
	char names[VOLUMES_MAX][32], disk[64];
	size_t count = 0;

	for (const char *p = o->text; (p = strstr(p, part)) && count < VOLUMES_MAX; p++) {
		const char *name = p + strlen(part);
		size_t n = strspn(name, PLAIN_CHARACTERS);

		if (n && n < sizeof(names[0]))
			(void)snprintf(names[count++], sizeof(names[0]), "%.*s", (int)n, name);
	}
	(void)snprintf(disk, sizeof(disk), "the volume on %.40s", o->object);
	while (count > 0)
		add_volume(s, disk, names[--count]);
}

/* "mounted at /srv, mounted at /data": those that the host does not need. */
static void add_disk(struct stops *s, const struct hold *o)
{
	static const char mounted[] = "mounted at ";
	char command[160];

	if (strchr(o->object, ' '))
		return; /* a share */
	for (const char *at = o->text; (at = strstr(at, mounted));) {
		at += strlen(mounted);
		size_t n = strcspn(at, " ,");
		/* A name with other characters would have to be quoted. */
		if (strspn(at, PLAIN_CHARACTERS "/+") < n)
			continue;
		(void)snprintf(command, sizeof(command), "umount %.*s", (int)n, at);
		stop_add(s, HOLD_STOP_DISK, o->object, command);
	}
	add_volumes(s, o);
}

/* The console that draws on a framebuffer. */
static void add_console(struct stops *s)
{
	char path[FILE_PATH_MAX], text[64], command[160];
	uint64_t bound;

	for (unsigned i = 0; i < 4; i++) {
		if (file_path(path, sizeof(path), "/sys/class/vtconsole/vtcon%u/name", i) < 0 ||
			host_read_text(s->host, path, text, sizeof(text)) < 0 ||
			!strstr(text, "frame buffer") ||
			file_path(path, sizeof(path), "/sys/class/vtconsole/vtcon%u/bind", i) < 0 ||
			host_read_number(s->host, path, &bound) < 0 || !bound)
			continue;
		(void)snprintf(
			command, sizeof(command), "echo 0 > /sys/class/vtconsole/vtcon%u/bind", i);
		stop_add(s, HOLD_STOP_CONSOLE, "the text console on its framebuffer", command);
	}
}

static int count_device(void *arg, const char *name)
{
	unsigned *count = arg;

	*count += strchr(name, ':') != NULL;
	return 0;
}

/*
 * With nvidia_drm, the driver counts as used by itself, and its remove() waits for ever. The
 * modules serve all cards, so they stay as long as another one needs them.
 */
static void add_modules(struct stops *s)
{
	static const char *const modules[] = {"nvidia_drm", "nvidia_modeset", "nvidia_uvm"};
	char path[FILE_PATH_MAX], command[160] = "modprobe -r";
	unsigned cards = 0, loaded = 0;

	if (strcmp(s->device->driver, "nvidia") != 0)
		return;
	(void)s->host->ops->list(s->host, "/sys/bus/pci/drivers/nvidia", count_device, &cards);
	for (size_t i = 0; cards < 2 && i < COUNT(modules); i++) {
		size_t n = strlen(command);

		if (file_path(path, sizeof(path), "/sys/module/%s/refcnt", modules[i]) < 0 ||
			host_read_text(s->host, path, (char[32]){0}, 32) < 0)
			continue;
		(void)snprintf(command + n, sizeof(command) - n, " %s", modules[i]);
		loaded++;
	}
	if (loaded)
		stop_add(
			s, HOLD_STOP_MODULE, "modules that keep the nvidia driver in use", command);
}

static int stop_order(const void *a, const void *b)
{
	const struct hold_stop *x = a, *y = b;
	int n = (int)x->kind - (int)y->kind;

	return n ? n : x->order > y->order ? 1 : -1;
}

size_t hold_stops_read(struct host *h, const struct pci_device *d, const struct holds *holds,
	struct hold_stop ret[HOLD_STOPS_MAX])
{
	struct stops s = {.host = h, .device = d, .list = ret};

	for (size_t i = 0; i < holds->count; i++) {
		const struct hold *o = &holds->list[i];

		if (o->unsure)
			continue;
		if (strcmp(o->check, "block") == 0 && !o->absolute)
			add_disk(&s, o);
		else if (strcmp(o->check, "gpu") == 0 && strcmp(o->object, "console") == 0)
			add_console(&s);
		else if (strcmp(o->check, "block") != 0)
			add_user(&s, o);
	}
	/* The modules hold the driver even if nobody uses the card at this moment. */
	add_modules(&s);
	qsort(ret, s.count, sizeof(*ret), stop_order);
	return s.count;
}

const char *hold_stop_kind_name(enum hold_stop_kind kind)
{
	static const char *const names[] = {
		[HOLD_STOP_GUEST] = "guest",
		[HOLD_STOP_PROGRAM] = "program",
		[HOLD_STOP_CONTAINER] = "container",
		[HOLD_STOP_SERVICE] = "service",
		[HOLD_STOP_SOUND] = "sound",
		[HOLD_STOP_DESKTOP] = "desktop",
		[HOLD_STOP_DISK] = "disk",
		[HOLD_STOP_CONSOLE] = "console",
		[HOLD_STOP_MODULE] = "module",
	};

	return names[kind];
}
