/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "bind/bind.h"
#include "engine/calls.h"
#include "engine/cgroup.h"
#include "engine/confine.h"
#include "engine/kernel.h"
#include "engine/process.h"
#include "engine/spec.h"

struct err;
struct open_devices;

/* What one start needs and owns: the words of the program, and what it inherits. */
struct engine_run {
	struct program program;
	struct kernel kernel;
	size_t given_count; /* more descriptors that the program inherits */
	int given[SPEC_DEVICES_MAX + 4];
	int kvm_fd;
	int keeper_fd; /* of usher-vmm: its end of the socket that tells it of our end */
	int line_fd; /* and ours, by which it was sent the description of the guest */
	struct calls calls; /* that usher-vmm makes */
	int calls_fd; /* its end of these */
	struct open_devices
		*devices; /* groups stay here, the rest is handed over; NULL: it opens its own */
	bool wipes; /* the devices are reset here when the program is gone */
	struct confine confine; /* of engine_exec */
	struct cgroup cgroup;
	int lifeline_fd; /* closes when we end */
};

#define ENGINE_RUN_NONE                       \
	((struct engine_run){.kernel.fd = -1, \
		.kvm_fd = -1,                 \
		.keeper_fd = -1,              \
		.line_fd = -1,                \
		.calls = CALLS_NONE,          \
		.calls_fd = -1,               \
		.confine = CONFINE_NONE,      \
		.cgroup = CGROUP_NONE,        \
		.lifeline_fd = -1})

/* Who can run a guest. Each is a static const table; the keeper does the rest. */
struct engine {
	const char *name;
	uint64_t overhead; /* [bytes] that it locks besides the guest's memory */
	bool lays_out; /* the guest's addresses follow vfio/layout */
	/* What the guest will have. [bytes] */
	uint64_t (*memory)(const struct guest_spec *s);
	/* Whether its addresses may be as wide as the host's; NULL: they are laid out (lays_out). */
	bool (*wide)(const struct guest_spec *s);
	/*
	 * What is wrong with running @s by this engine, as far as can be told without touching
	 * anything. Return: 0, -EINVAL, -ENOEXEC, -ENOENT, -errno.
	 */
	int (*check)(const struct guest_spec *s, struct err *e);
	/*
	 * Turns @s into a program to start; the devices of @groups are on their VFIO driver now.
	 * @run is ENGINE_RUN_NONE on entry and given to finish() in any case. Return: 0, -errno.
	 */
	int (*prepare)(const struct bind_env *env, const struct guest_spec *s,
		const struct bind_plan *groups, struct engine_run *run, struct err *e);
};

extern const struct engine engine_ours; /* usher-vmm */
extern const struct engine engine_qemu; /* qemu-system-x86_64, QEMU_SYSTEM overrides */

/* Return: NULL when there is none of that name. */
const struct engine *engine_find(const char *name);

/*
 * Lets go of what the program has inherited by now: from here on the devices are free as soon
 * as the program is gone, and has closed them even before (an unbind waits for every descriptor).
 */
void engine_finish(struct engine_run *run);

/* After the program's end, or when it did not start: lets go of what held it. */
void engine_ended(struct engine_run *run);
/* And at last of the devices. */
void engine_close(struct engine_run *run);

#endif
