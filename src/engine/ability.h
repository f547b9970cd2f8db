/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_ABILITY_H
#define ENGINE_ABILITY_H

#include <stdbool.h>

struct engine;
struct err;
struct guest_spec;

/* What a description of a guest may ask for, and not every engine can. */
enum ability {
	ABILITY_KERNEL_FROM, /* the kernel of a disk */
	ABILITY_FIRMWARE, /* the guest boots by firmware */
	ABILITY_DISPLAY,
	ABILITY_TPM,
	ABILITY_USB, /* devices of the host's USB */
	ABILITY_POLL, /* --disk poll=on */
	ABILITY_FORMAT, /* images that are not raw */
	ABILITY_SHARE, /* folders of the host */
	ABILITY_NET_BACKEND, /* --net vhost-user */
	ABILITY_RINGS, /* packed ones */
	ABILITY_VSOCK,
	ABILITY_VSOCK_SOCKET,
	ABILITY_BALLOON,
	ABILITY_PORT_VIEW, /* a port without an end, for usher console */
	ABILITY_PORT_LIMIT,
	ABILITY_PORT_LINK, /* pty=PATH */
	ABILITY_HUGEPAGES,
	ABILITY_PEERS,
	ABILITY_HANDED, /* devices that the caller has open */
	ABILITY_STATS,
	ABILITY_TIMING,
	ABILITY_TRACE,
	ABILITY_ENV,
	ABILITY_WORDS, /* the program's own words after "--" */
	ABILITY_CONTROL, /* usher control: pause, reset, resize, link */
	ABILITY_CONSOLE, /* usher console */
	ABILITY_COUNT
};

enum ability_depth { ABILITY_NO, ABILITY_PARTLY, ABILITY_YES };

/* What an engine says of one ability. A row that it leaves out is ABILITY_NO. */
struct ability_note {
	enum ability_depth depth;
	const char *reason; /* why not, or what is missing; NULL: nothing is */
};

/* Rows of each engine that has QEMU run the guest, whoever starts it. */
#define ABILITIES_OF_QEMU                                                                       \
	[ABILITY_POLL] = {ABILITY_NO, "QEMU sleeps until the guest rings"},                     \
	[ABILITY_NET_BACKEND] = {ABILITY_NO, "usher connects such a card for usher-vmm alone"}, \
	[ABILITY_RINGS] = {ABILITY_YES, NULL},                                                  \
	[ABILITY_VSOCK_SOCKET] = {ABILITY_NO, "QEMU leaves sockets to the host's kernel"},      \
	[ABILITY_PORT_LIMIT] = {ABILITY_NO, "QEMU writes without one"},                         \
	[ABILITY_HUGEPAGES] = {ABILITY_YES, NULL},                                              \
	[ABILITY_PEERS] = {ABILITY_NO, "QEMU maps BARs for DMA by rules of its own"},           \
	[ABILITY_HANDED] = {ABILITY_NO, "QEMU opens its devices itself"},                       \
	[ABILITY_STATS] = {ABILITY_NO, "usher-vmm counts them"},                                \
	[ABILITY_TIMING] = {ABILITY_NO, "usher-vmm measures them"},                             \
	[ABILITY_TRACE] = {ABILITY_NO, "usher-vmm traps them"}

/* Return: static, as "firmware". */
const char *ability_name(enum ability a);

/* Return: what @e can of @a; its reason is never NULL where it cannot. */
struct ability_note ability_of(const struct engine *e, enum ability a);

/*
 * Refuses a description that asks for what @engine cannot, and names an engine that can.
 * Return: 0, -EINVAL.
 */
int ability_check(const struct engine *engine, const struct guest_spec *s, struct err *e);

#endif
