/* SPDX-License-Identifier: MIT */
#ifndef DESKTOP_PLAN_H
#define DESKTOP_PLAN_H

#include "bind/plan.h"
#include "desktop/console.h"
#include "desktop/session.h"
#include "desktop/unit.h"
#include "pci/device.h"

struct holds;

#define DESKTOP_UNITS_MAX 8
#define DESKTOP_HOLDERS_MAX 32
#define DESKTOP_MODULES_MAX 3
#define DESKTOP_MODULE_MAX 32
#define DESKTOP_ALIVE_S 60 /* until a guest has to show life */

/* What a person asks for. */
struct desktop_request {
	const char
		*units[DESKTOP_UNITS_MAX]; /* to stop, in this order; none: the display manager */
	size_t unit_count;
	unsigned alive_s; /* 0: for ever */
};

/* A process that has a node of a lent device open. */
struct desktop_holder {
	pid_t pid; /* 0: usher could not find out */
	struct pci_address address; /* of the device */
	char object[64]; /* the node: "dri/card0" */
	char text[192]; /* as struct hold */
	char session[32]; /* on seat0, that it belongs to; "" for none */
	bool goes; /* it ends with the desktop */
};

/* What the desktop is, before anything is stopped. Everything by value: one copy is a record. */
struct desktop_plan {
	bool is_needed; /* the host's console or desktop is on a lent card */
	struct pci_address address; /* that card */
	uint16_t vendor;
	uint16_t device;
	bool has_systemd;
	size_t unit_count;
	char units[DESKTOP_UNITS_MAX][DESKTOP_UNIT_MAX]; /* those that run, in the order to stop */
	char idle_unit[DESKTOP_UNIT_MAX]; /* the last one that is asked for and does not run */
	size_t session_count;
	struct desktop_session sessions[DESKTOP_SESSIONS_MAX];
	size_t session_more; /* sessions for which there is no room */
	size_t console_count;
	struct desktop_console consoles[DESKTOP_CONSOLES_MAX]; /* bound ones that draw */
	unsigned vt; /* the active one; 0: none */
	size_t module_count;
	char modules[DESKTOP_MODULES_MAX][DESKTOP_MODULE_MAX]; /* above the driver, to unload */
	size_t holder_count;
	struct desktop_holder holders[DESKTOP_HOLDERS_MAX];
	unsigned alive_s;
};

/*
 * Reads what the desktop on the lent devices is: the members of @p that are to be taken.
 * Return: 0, -ENOMEM, -errno.
 */
int desktop_plan_read(struct host *h, const struct desktop_request *q, const struct bind_plan *p,
	struct desktop_plan *ret, struct err *e);

/* The same for one card, whose holds are known; of a snapshot without people and processes. */
void desktop_plan_card(struct host *h, const struct pci_device *card, const struct holds *holds,
	struct desktop_plan *ret);

/*
 * Adds to @p what refuses the hand-over: it is not needed, a person is logged in ("session", which
 * the request may allow), a process stays that uses a device. Return: 0, -ENOMEM.
 */
int desktop_plan_judge(
	const struct desktop_plan *d, const struct bind_request *q, struct bind_plan *p);

/* Checks that find the desktop: a plan of a hand-over allows these, for it judges them itself. */
extern const char *const desktop_checks[2];

#endif
