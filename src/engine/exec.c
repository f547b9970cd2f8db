/* SPDX-License-Identifier: MIT */
#include "engine/exec.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "engine/devices.h"
#include "engine/environment.h"
#include "program/command.h"
#include "program/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LIST_MAX (64 * SPEC_DEVICES_MAX) /* [bytes] of EXEC_VARIABLE */
#define TEXT_MAX (LIST_MAX + 2 * COMMAND_PATH_MAX) /* with folders, and the user's variables */

static void add_words(const struct guest_spec *s, struct program *p)
{
	for (char *const *a = s->engine_args; *a; a++)
		program_word(p, *a);
}

static int exec_check(const struct guest_spec *s, struct err *e)
{
	if (spec_is_handed(s))
		return err_say(e, -EINVAL,
			"--device: fd= is for 'usher run': a program inherits "
			"what you have open by itself");
	if (!s->engine_args || !s->engine_args[0])
		return err_say(e, -EINVAL, "no program to run: it comes after '--'");
	if (!s->device_count)
		return err_say(e, -EINVAL, "no --device: the program would get no device");
	cleanup_free struct program *p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(e, -ENOMEM, "describe the program");
	add_words(s, p);
	environment_add(s, p);
	program_env(p, EXEC_VARIABLE "=%*s", TEXT_MAX, "");
	return program_check(p, e);
}

/* Keeps the groups' descriptors here: with them a program could open other devices of a group. */
static int add_devices(const struct open_devices *d, struct program *p)
{
	char list[LIST_MAX], text[PCI_ADDRESS_TEXT];
	size_t used = 0;

	program_fd(p, d->ioas.fd);
	for (size_t i = 0; i < d->device_count; i++) {
		int n = snprintf(list + used, sizeof(list) - used, "%s%s=fd:%d,none,%d",
			i ? " " : "", pci_address_format(d->devices[i].address, text), d->ioas.fd,
			d->devices[i].vfio.fd);
		if (n < 0 || (size_t)n >= sizeof(list) - used)
			return -E2BIG;
		used += (size_t)n;
		program_fd(p, d->devices[i].vfio.fd);
	}
	program_env(p, EXEC_VARIABLE "=%s", list);
	return 0;
}

/* Sets the variables that a shell of that user would have. */
static void add_named_user(uid_t uid, struct program *p)
{
	const struct passwd *u = getpwuid(uid);

	if (!u)
		return;
	program_env(p, "HOME=%s", u->pw_dir);
	program_env(p, "USER=%s", u->pw_name);
	program_env(p, "LOGNAME=%s", u->pw_name);
}

static int add_user(const struct bind_env *env, const struct guest_spec *s, struct engine_run *run,
	struct err *e)
{
	run->confine.uid = s->uid;
	run->confine.gid = s->gid;
	if (!s->own_user) {
		add_named_user(s->uid, &run->program);
		return 0;
	}
	int r = uid_reserve(env->state, &run->uid, e);
	if (r < 0)
		return r;
	run->confine.uid = run->uid.uid;
	run->confine.gid = run->uid.uid;
	run->confine.read_only = true;
	program_env(&run->program, "HOME=/");
	program_env(&run->program, "TMPDIR=" MOUNTS_SCRATCH);
	return 0;
}

/* Ours, if the user may enter it by its path. */
static void add_folder(struct program *p)
{
	char own[COMMAND_PATH_MAX];

	program_dir(p, "%s", getcwd(own, sizeof(own)) ? own : "/");
}

/* Nobody writes to this pipe. Our end of it closes when this process ends, whatever the reason. */
static int add_lifeline(struct engine_run *run)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	run->confine.alive_fd = fds[0];
	run->lifeline_fd = fds[1];
	return 0;
}

static int exec_prepare(const struct bind_env *env, const struct guest_spec *s,
	const struct bind_plan *groups, struct engine_run *run, struct err *e)
{
	struct program *p = &run->program;

	int r = devices_open(env, s, groups, &run->devices, e);
	if (r < 0)
		return r;
	add_words(s, p);
	p->file = s->program;
	r = add_user(env, s, run, e);
	if (r < 0)
		return r;
	environment_add(s, p);
	add_folder(p);
	r = add_devices(run->devices, p);
	if (r == 0)
		r = add_lifeline(run);
	if (r < 0)
		return err_set(e, r, "prepare %s", s->engine_args[0]);
	cgroup_make(s->name, &run->cgroup);
	p->cgroup = &run->cgroup;
	p->confine = &run->confine;
	run->wipes = true;
	p->memlock = s->memory;
	return 0;
}

/* The program gets the limit that it asks for, so there is nothing to check. */
static uint64_t exec_memory(const struct guest_spec *s)
{
	return 0;
}

const struct engine engine_exec = {
	.is_program = true,
	.name = "exec",
	.memory = exec_memory,
	.check = exec_check,
	.prepare = exec_prepare,
};
