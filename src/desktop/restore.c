/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "bind/lock.h"
#include "desktop/change.h"
#include "desktop/command.h"
#include "desktop/scope.h"
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vt.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define CONSOLE_MS 5000 /* the driver of the card makes its framebuffer, and a console on that */
#define VT_MS 5000

struct returning {
	struct desktop_change *change;
	int code; /* the first failure */
	struct err *e;
};

static void failure_keep(struct returning *x, int r, const struct err *why)
{
	if (r >= 0)
		return;
	if (x->code) {
		desktop_say(x->change, "%s", why->msg);
		return;
	}
	x->code = r;
	if (x->e)
		*x->e = *why;
}

static void modules_load(struct returning *x)
{
	struct desktop_change *c = x->change;
	char path[FILE_PATH_MAX], text[32];

	for (size_t i = c->entry.module_count; i > 0; i--) {
		const char *name = c->entry.modules[i - 1];
		struct err why = {0};
		if (file_path(path, sizeof(path), "/sys/module/%s/refcnt", name) < 0 ||
			host_read_text(c->env->host, path, text, sizeof(text)) >= 0)
			continue;
		desktop_say(c, "load %s", name);
		failure_keep(x, desktop_module_load(name, &why), &why);
		bind_transaction_count(&c->work);
	}
}

/* Waits until there is a back end of that name. */
static bool console_await(struct host *h, const char *name, struct desktop_console *ret)
{
	struct desktop_console all[DESKTOP_CONSOLES_MAX];

	for (const int64_t end = clock_ms() + CONSOLE_MS;;) {
		size_t count = desktop_consoles_read(h, all);
		for (size_t i = 0; i < count; i++) {
			if (strcmp(all[i].name, name) != 0)
				continue;
			*ret = all[i];
			return true;
		}
		if (clock_ms() >= end)
			return false;
		desktop_pause(DESKTOP_POLL_MS);
	}
}

static void console_bind(struct returning *x, const char *name)
{
	struct desktop_change *c = x->change;
	struct desktop_console now;
	char path[FILE_PATH_MAX];
	struct err why = {0};

	if (!console_await(c->env->host, name, &now)) {
		failure_keep(x, err_say(&why, -ENODEV, "the console '%s' has not come back", name),
			&why);
		return;
	}
	if (now.is_bound || desktop_console_path(&now, path, sizeof(path)) < 0)
		return;
	desktop_say(c, "bind the console '%s'", name);
	failure_keep(x, bind_worker_write(&c->work.workers[0], path, "1", &why), &why);
}

/* Not VT_WAITACTIVE: it waits for ever for a program that does not release its terminal. */
static void vt_activate(struct returning *x)
{
	struct desktop_change *c = x->change;
	unsigned vt = c->entry.vt;

	if (!vt || desktop_vt_read(c->env->host) == vt)
		return;
	desktop_say(c, "activate terminal %u", vt);
	cleanup_fd int fd = open("/dev/tty0", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int r = fd < 0 || ioctl(fd, VT_ACTIVATE, vt) < 0 ? -errno : 0;
	const int64_t end = clock_ms() + VT_MS;
	while (r == 0 && desktop_vt_read(c->env->host) != vt && clock_ms() < end)
		desktop_pause(DESKTOP_POLL_MS);
	bind_transaction_count(&c->work);
	if (r < 0)
		desktop_say(c, "terminal %u: activate: %s", vt, strerror(-r));
}

/* To start one that runs changes nothing; a cgroup that a process was left in proves nothing. */
static void units_start(struct returning *x)
{
	struct desktop_change *c = x->change;

	for (size_t i = c->entry.unit_count; i > 0; i--) {
		const char *unit = c->entry.units[i - 1];
		struct err why = {0};
		desktop_say(c, "start %s", unit);
		failure_keep(x, desktop_unit_start(c->env->host, unit, &why), &why);
		bind_transaction_count(&c->work);
	}
}

int desktop_return(struct desktop_change *c, struct err *e)
{
	struct returning x = {.change = c, .e = e};

	/* The desktop is wanted even if its console stays dark. */
	modules_load(&x);
	for (size_t i = 0; i < c->entry.console_count; i++)
		console_bind(&x, c->entry.consoles[i]);
	vt_activate(&x);
	desktop_scope_leave(c->env->host);
	units_start(&x);
	return x.code ? x.code : desktop_entry_remove(&c->work, c->entry.address, e);
}

static int restore_locked(struct desktop_change *c, struct pci_address a, struct err *e)
{
	char boot[BIND_BOOT_MAX], text[160];
	struct err why = {0};

	/* Only the entry knows what the desktop was: a read that fails may succeed later. */
	int r = desktop_entry_read(c->env, a, &c->entry, &why);
	if (r == -ENOENT || r == -EBADMSG)
		return desktop_entry_remove(&c->work, a, e);
	if (r < 0)
		return err_say(e, r, "%s", why.msg);
	r = bind_boot_id(c->env->host, boot, e);
	if (r < 0)
		return r;
	enum bind_lease_state s = desktop_entry_judge(c->env, &c->entry, boot, text, sizeof(text));
	if (s == BIND_LEASE_VOID)
		return desktop_entry_remove(&c->work, a, e);
	if (s == BIND_LEASE_LIVE)
		return 1;
	r = bind_worker_arm(&c->work.workers[0], e);
	return r < 0 ? r : desktop_return(c, e);
}

int desktop_restore(const struct bind_env *env, struct pci_address a,
	void (*say)(void *arg, const char *text), void *arg, struct err *e)
{
	struct desktop_change c = {.say = say, .arg = arg};

	cleanup_fd int lock = bind_lock_task(env, DESKTOP_LOCK, e);
	if (lock < 0)
		return lock;
	int r = desktop_change_begin(&c, env, e);
	if (r == 0)
		r = restore_locked(&c, a, e);
	desktop_change_end(&c);
	return r;
}
