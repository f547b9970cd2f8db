/* SPDX-License-Identifier: MIT */
#ifndef REVIVE_PLAN_H
#define REVIVE_PLAN_H

/*
 * Getting a device back that does not answer, or that left the bus.
 *
 * A step that touches other devices below the same port is withheld while one of them is in use.
 * Ref: Documentation/ABI/testing/sysfs-bus-pci; PCI Express Base 7.5.3.7 (Link Control).
 */

#include "bind/env.h"
#include "bind/plan.h"
#include "revive/known.h"
#include "revive/port.h"
#include "revive/state.h"

struct revive_request {
	struct bind_target function;
	bool has_port; /* the user says below which port it was */
	struct pci_address port;
	const char *const *allow;
	size_t allow_count;
	struct host *before; /* a snapshot of this host with the device; NULL: none */
	const char *claims; /* the folder of the claims; NULL: none */
};

/* From the gentlest step to the one that disturbs most. */
enum revive_kind {
	REVIVE_WAKE, /* it and its port stay awake; reading its registers powers it on */
	REVIVE_RESET, /* by what reaches a device that does not answer: its port, its firmware */
	REVIVE_REMOVE, /* remove it, and scan its bus again */
	REVIVE_SCAN, /* scan its bus, for a device that is gone */
	REVIVE_REMOVE_ALL, /* all devices below the port */
	REVIVE_SLOT, /* its slot's power off and on */
	REVIVE_RETRAIN, /* the link of its port */
	REVIVE_KINDS,
};

struct revive_step {
	enum revive_kind kind;
	bool withheld; /* it touches a device that is in use */
	size_t first, count; /* in the plan's writes */
};

/* The override of a device that a step may remove: a new folder in sysfs starts without one. */
struct revive_override {
	struct pci_address address;
	char driver[PCI_NAME_MAX];
};

struct revive_plan {
	struct pci_address address;
	enum revive_state state;
	struct pci_device device; /* unless it is gone */
	struct revive_known known;
	bool has_port; /* false: it is on a root bus */
	struct revive_port port;
	struct pci_address card; /* the function below the port that leads to it, or itself */
	size_t beside_count;
	struct pci_device *beside; /* other functions below the port */
	size_t override_count;
	struct revive_override *overrides;
	struct bind_plan says; /* problems; refusals are against all steps */
	struct bind_plan aside; /* problems of other devices: steps that touch them are withheld */
	size_t step_count;
	struct revive_step steps[REVIVE_KINDS];
	size_t write_count;
	struct bind_step *writes;
};

/*
 * Decides; changes nothing, though reading registers wakes the device. A plan with refusals is a
 * success. @ret: revive_plan_fini(). Return: 0, -ENOMEM, -errno.
 */
int revive_plan(const struct bind_env *env, const struct revive_request *q, struct revive_plan *ret,
	struct err *e);
void revive_plan_fini(struct revive_plan *p);

/* "wake", "reset", … */
const char *revive_kind_name(enum revive_kind k);
/* "keep it and its port awake, and read its registers", … */
const char *revive_kind_text(enum revive_kind k);

/* Whether a step of the plan is withheld. */
bool revive_is_withheld(const struct revive_plan *p);

#endif
