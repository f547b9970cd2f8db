/* SPDX-License-Identifier: MIT */
#ifndef BIND_PLAN_H
#define BIND_PLAN_H

#include "bind/env.h"
#include "pci/config.h"
#include "pci/device.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A device to take. An address alone is not enough: it changes when a card is added. */
struct bind_target {
	struct pci_address address;
	bool has_id; /* refuse it unless @vendor:@device match */
	uint16_t vendor;
	uint16_t device;
	uint8_t bar[PCI_BAR_COUNT]; /* wanted sizes, by bind_resize_code(); 0: unchanged */
};

/* Access to the nodes of a group; (uid_t)-1, (gid_t)-1 and 0: unchanged. */
struct bind_access {
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

#define BIND_ACCESS_NONE ((struct bind_access){(uid_t)-1, (gid_t)-1, 0})

static inline bool bind_access_is(const struct bind_access *a)
{
	return a->uid != (uid_t)-1 || a->gid != (gid_t)-1 || a->mode;
}

struct bind_request {
	const struct bind_target *targets;
	size_t target_count;
	const char *driver; /* of the targets; NULL: vfio-pci, or the variant that fits better */
	const char *const *allow; /* checks to lift, by name: "net", "block", … */
	size_t allow_count;
	bool only; /* take no sibling; each must leave the group viable */
	/*
	 * Only the problems are of interest: no driver is chosen, and no sleeping device is woken
	 * to see whether it answers. bind_take() needs a plan without this.
	 */
	bool survey;
	bool is_shown_only; /* nobody acts on the plan, so it waits for no other program */
	/*
	 * The targets are claimed, and the claim's rule sets this override. A device that has this
	 * override, or none, and no driver goes to the driver that matches when it is released.
	 * NULL: not claimed.
	 */
	const char *claimed;
	struct bind_owner owner; /* pid 0: bound manually, until `usher release` */
	struct bind_access access; /* to the /dev/vfio nodes, until the release */
	bool is_locked; /* set by bind_take(): it has the groups' locks */
};

enum bind_act {
	BIND_ACT_TAKE, /* from its driver, or none, to the target driver */
	BIND_ACT_ALREADY, /* on the target driver already */
	BIND_ACT_STAYS, /* left alone: PCI(e) bridges; siblings with `only` */
};

struct bind_member {
	struct pci_device device; /* as found */
	enum bind_act act;
	bool is_target; /* requested by address; otherwise a sibling */
	char driver[PCI_NAME_MAX]; /* to bind to; "" if it stays */
	char module[PCI_NAME_MAX]; /* of the driver: the two names may differ */
	char framebuffer
		[PCI_NAME_MAX]; /* in one of its BARs, unbound first: "DRIVER/NAME"; "" for none */
	uint8_t bar[PCI_BAR_COUNT]; /* BARs to resize, as in struct bind_target */
};

struct bind_group {
	int number; /* /dev/vfio/NUMBER */
	size_t count;
	struct bind_member *members; /* by address */
	struct bind_access access; /* requested now, or when it was taken */
	bool viable; /* once the plan is done VFIO can open the group */
};

/* Why a plan is refused, or a warning. */
struct bind_problem {
	const char *check; /* stable name: "iommu", "id", "member", "block", … */
	bool refuses; /* false: a warning, or allowed */
	bool liftable; /* --allow=CHECK lifts it */
	bool unsure; /* usher could not find out, so it refuses */
	char object[64]; /* "0000:03:00.0", "nvme0n1p1", "group 12" */
	char text[256]; /* escaped */
	char fix[256]; /* the hint; "" for none */
};

/* A disk below a member that is taken from its driver. */
struct bind_disk {
	struct pci_address address; /* of the member */
	char name[64]; /* as sysfs calls it: "nvme0n1" */
};

struct bind_plan {
	size_t group_count;
	struct bind_group *groups; /* in the order of the targets */
	size_t problem_count;
	struct bind_problem *problems; /* all of them, not the first only */
	size_t disk_count;
	struct bind_disk *disks; /* held between the look and the unbind: bind/exclusive.h */
	size_t refusals; /* problems that refuse; 0: the plan can be carried out */
};

#define BIND_PLAN_NONE ((struct bind_plan){0})

/*
 * Decides what bind_take() would do; reads only. Refusals are no error: the caller prints
 * @ret->problems. @ret: bind_plan_fini().
 * Return: 0, -ENODEV: a target does not exist, -ENOMEM, -errno.
 */
int bind_plan(const struct bind_env *env, const struct bind_request *q, struct bind_plan *ret,
	struct err *e);
void bind_plan_fini(struct bind_plan *p);

/*
 * For a loan at some later time: keeps the problems alone that say what a device is, and drops
 * those that say who uses it now.
 */
void bind_plan_keep_lasting(struct bind_plan *p);

enum bind_op {
	BIND_OP_LOAD, /* module @path */
	BIND_OP_JOURNAL, /* entry @path, state @text */
	BIND_OP_WRITE, /* @text into @path */
	BIND_OP_VERIFY, /* link @path leads to driver @text */
	BIND_OP_WAIT, /* for node @path */
	BIND_OP_CHOWN, /* node @path to @text, "UID:GID", or "UID:GID MODE" */
	BIND_OP_RULE, /* udev's file @path: new nodes belong to @text */
	BIND_OP_REGISTER, /* of configuration space @path: "OFFSET=VALUE" */
	BIND_OP_SETTINGS, /* of the first @text virtual functions of interface @path, again */
};

/* What a step of the journal leaves in it. */
enum bind_journal_step {
	BIND_JOURNAL_NONE, /* it is another step */
	BIND_JOURNAL_TAKING,
	BIND_JOURNAL_TAKEN,
	BIND_JOURNAL_CHANGING, /* this and what follows: of virtual functions, vfs/apply.c */
	BIND_JOURNAL_CHANGED,
	BIND_JOURNAL_REMOVED,
};

/* "taking", "taken", "changing", "changed", "removed"; "" for none. */
const char *bind_journal_step_name(enum bind_journal_step s);

/* One step of bind_take(). --dry-run prints the same list. */
struct bind_step {
	enum bind_op op;
	enum bind_journal_step journal; /* with JOURNAL; @text has its name */
	int group;
	struct pci_address address; /* of WRITE and VERIFY */
	char path[128];
	char text[PCI_NAME_MAX]; /* free of newlines; an override is cleared by "" */
};

/* "load", "journal", "write", "verify", "wait", "chown", "rule", "config", "keep". */
const char *bind_op_name(enum bind_op op);

/* Whether the plan changes a driver or a node. Otherwise it writes entries of the journal alone. */
bool bind_plan_moves(const struct bind_plan *p);

/* The exact steps of a plan, for --dry-run; *@ret is the caller's to free(). Return: 0, -ENOMEM. */
int bind_plan_steps(const struct bind_env *env, const struct bind_request *q,
	const struct bind_plan *p, struct bind_step **ret, size_t *ret_count);

#endif
