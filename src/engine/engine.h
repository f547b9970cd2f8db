/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/err.h"
#include "bind/bind.h"
#include "engine/ability.h"
#include "engine/backend.h"
#include "engine/calls.h"
#include "engine/display.h"
#include "engine/kernel.h"
#include "engine/libvirt/end.h"
#include "engine/net/passt.h"
#include "engine/spec.h"
#include "engine/tpm.h"
#include "engine/usb_return.h"
#include "program/cgroup.h"
#include "program/confine.h"
#include "program/process.h"
#include "program/uid.h"
#include "wire/message.h"

struct err;
struct host;
struct open_devices;

/* What one start needs and owns: the program, and what it inherits. */
struct engine_run {
	struct program program;
	struct kernel kernel;
	size_t given_count; /* more descriptors for the program; engine_finish() closes them */
	int given[WIRE_FDS_MAX];
	int kvm_fd;
	int keeper_fd; /* usher-vmm's end of the socket to the keeper */
	int line_fd; /* our end of it: the description of the guest goes through it */
	uint32_t attach_id; /* of the last message that attaches devices */
	struct calls calls; /* our end of the socket for usher-vmm's calls */
	int calls_fd; /* usher-vmm's end of that socket */
	int orders_fd; /* our end of the socket for orders (wire/order.h); -1: it obeys none */
	int obeys_fd; /* usher-vmm's end of that socket */
	int plug_fd; /* likewise to QEMU, for orders about devices alone, which may take long; -1 */
	int refused_fd; /* the page of wire/refused.h; -1: there is none */
	struct open_devices
		*devices; /* groups stay here, the rest is handed over; NULL: it opens its own */
	bool wipes; /* the devices are reset here when the program is gone */
	struct confine confine; /* of engine_exec */
	struct uid_lease uid; /* the program's user, if it has one of its own */
	struct cgroup cgroup;
	struct passt passt; /* its user-mode network, if it has one */
	struct tpm tpm; /* likewise */
	struct backends backends; /* that serve its virtio devices */
	struct display display; /* likewise */
	struct usb_return usb; /* what the host has back at the end */
	pid_t console; /* of QEMU's guest: the process that everybody reads it from; 0: none */
	pid_t translator; /* of orders for a program that knows none; 0: none */
	struct err missing; /* why it starts without a default device; code 0: it has all */
	size_t port_count;
	/* What was made for them, and for --vsock, is removed at the end. */
	struct port ports[SPEC_PORTS_MAX + 1];
	int lifeline_fd; /* the confined program's first process ends when this is closed */
	const char *domain; /* its name, of libvirt; NULL: the guest is none */
	char domain_uuid[LIBVIRT_UUID_TEXT];
};

#define ENGINE_RUN_NONE                       \
	((struct engine_run){.kernel.fd = -1, \
		.kvm_fd = -1,                 \
		.keeper_fd = -1,              \
		.line_fd = -1,                \
		.calls = CALLS_NONE,          \
		.calls_fd = -1,               \
		.orders_fd = -1,              \
		.obeys_fd = -1,               \
		.plug_fd = -1,                \
		.refused_fd = -1,             \
		.confine = CONFINE_NONE,      \
		.uid = UID_LEASE_NONE,        \
		.cgroup = CGROUP_NONE,        \
		.passt = PASST_NONE,          \
		.tpm = TPM_NONE,              \
		.display = DISPLAY_NONE,      \
		.lifeline_fd = -1})

/* A program that can run a guest. Each engine is a static const table; the keeper does the rest. */
struct engine {
	const char *name;
	uint64_t overhead; /* memory that it locks besides the guest's [bytes] */
	bool bounded; /* what it needs besides the guest's memory has a bound (engine/limit) */
	bool lays_out; /* vfio/layout decides about the guest's addresses */
	bool ends_by_any; /* SIGINT, SIGQUIT and SIGHUP end it in order, as SIGTERM does */
	bool stops_with_zero; /* its status after SIGTERM is 0 */
	bool is_program; /* what it runs is no guest */
	const struct ability_note *abilities; /* ABILITY_COUNT of them; NULL: it has none */
	/* Return: the size of the guest's memory [bytes]. */
	uint64_t (*memory)(const struct guest_spec *s);
	/* True if the guest's addresses may be as wide as the host's. NULL: see lays_out. */
	bool (*wide)(const struct guest_spec *s);
	/* True if a guest gets no device that nobody asked for. NULL: it gets the defaults. */
	bool (*bare)(const struct guest_spec *s);
	/* Return: why it opens devices by their groups; NULL: it has descriptors. NULL: unknown. */
	const char *(*by_groups)(struct host *h, const struct guest_spec *s);
	/*
	 * Checks, without any change to the host, that this engine can run @s.
	 * Return: 0, -EINVAL, -ENOEXEC, -ENOENT, -errno.
	 */
	int (*check)(const struct guest_spec *s, struct err *e);
	/*
	 * Turns @s into a program to start. The devices of @groups are on their VFIO driver now.
	 * @run is ENGINE_RUN_NONE; the caller calls engine_finish() in any case. Return: 0, -errno.
	 */
	int (*prepare)(const struct bind_env *env, const struct guest_spec *s,
		const struct bind_plan *groups, struct engine_run *run, struct err *e);
	/*
	 * Gives the program, which runs already and waits, the guest and its devices. NULL: it has
	 * them from its start. If this fails, the caller ends the program. Return: 0, -errno.
	 */
	int (*furnish)(const struct bind_env *env, const struct guest_spec *s,
		const struct bind_plan *groups, struct engine_run *run, struct err *e);
};

extern const struct engine engine_ours; /* usher-vmm */
extern const struct engine engine_qemu; /* qemu-system-x86_64, QEMU_SYSTEM overrides */
extern const struct engine engine_libvirt; /* usher-libvirt, and so libvirt */

/* Return: engine @i of those that run guests; NULL: there are no more. */
const struct engine *engine_at(size_t i);

/* Return: NULL if no engine has that name. */
const struct engine *engine_find(const char *name);

/*
 * Closes our copies of what the program has inherited, but keeps the groups. From here on a device
 * is free as soon as the program has closed it: an unbind waits for every descriptor.
 */
void engine_finish(struct engine_run *run);

/* After the program's end: waits until its last words are written. */
void engine_drain(struct engine_run *run);

/* After the program's end, or if it did not start: releases its cgroup, lifeline and sockets. */
void engine_ended(struct engine_run *run);
/* After that: closes the devices. */
void engine_close(struct engine_run *run);

#endif
