/* SPDX-License-Identifier: MIT */
#ifndef BIND_BIND_H
#define BIND_BIND_H

/*
 * Taking PCI devices from their drivers for VFIO, and giving them back.
 *
 * The unit is the IOMMU group. bind_plan() decides and touches nothing; bind_take() plans again
 * under the group's lock, writes the journal, carries the plan out, verifies it, and undoes it
 * when a step fails; bind_release() gives a group back as the journal remembers it;
 * bind_restore() does so for what a crash left behind. After any of them a crash at any point
 * leaves a journal from which bind_restore() brings every device back to its first driver.
 *
 * The journal entry is the lease: it lives from before the first write until the release.
 */

#include "pci/config.h"
#include "pci/device.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct host;
struct bind_kernel_ops;

#define BIND_RULES_DIR "/run/udev/rules.d"
#define BIND_STATE_DIR "/run/usher" /* journal/ and lock/ live below it; void after a boot */
#define BIND_NAME_MAX 64 /* names of guests, with the NUL */

/* Where things are read and written. Tests stand in for the kernel with their own. */
struct bind_env {
	struct host *host; /* everything that is read: host_live() */
	const struct bind_kernel_ops *sys; /* everything that is done: bind_kernel_ops_live() */
	const char *state; /* BIND_STATE_DIR */
	int timeout_ms; /* patience with one write that the kernel does not finish */
};

/* The machine usher runs on; never fails. */
struct bind_env bind_env_live(void);

/* Who has a group. A process id comes back to life as another: the start time tells them apart. */
struct bind_owner {
	pid_t pid; /* 0: nobody; the group is kept until it is released by hand */
	uint64_t start; /* [clock ticks since boot], /proc/PID/stat field 22 */
	char name[BIND_NAME_MAX]; /* of the guest; "" for none; [A-Za-z0-9._-] */
};

/* The calling process as owner of a lease for guest @name ("" or NULL: none). Return: 0, -errno. */
int bind_owner_self(const struct bind_env *env, const char *name, struct bind_owner *ret);

/* A device to take, and what it has to be: an address alone moves when a card is added. */
struct bind_target {
	struct pci_address address;
	bool has_id; /* @vendor:@device must match, or it is refused */
	uint16_t vendor;
	uint16_t device;
	uint8_t bar[PCI_BAR_COUNT]; /* size each is to have, by bind_resize_code(); 0: as it is */
};

/* Who may open the nodes of a group; (uid_t)-1, (gid_t)-1 and 0: as they are. */
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
	bool only; /* touch no device but the targets: siblings must be viable */
	/*
	 * The targets are claimed: what an override of this name, or none, kept from all drivers
	 * goes to the one that fits when it is released. NULL: they are not.
	 */
	const char *claimed;
	struct bind_owner owner; /* pid 0: kept until `usher release` */
	struct bind_access access; /* to the /dev/vfio nodes, until the release */
};

enum bind_act {
	BIND_ACT_TAKE, /* from its driver, or none, to the target driver */
	BIND_ACT_ALREADY, /* is on the target driver already */
	BIND_ACT_STAYS, /* is left alone: PCI(e) bridges; siblings with `only` */
};

struct bind_member {
	struct pci_device device; /* as found */
	enum bind_act act;
	bool is_target; /* asked for by address; else a sibling */
	char driver[PCI_NAME_MAX]; /* goes to; "" when it stays */
	char module
		[PCI_NAME_MAX]; /* that brings the driver: a module's name need not be a driver's */
	char framebuffer[PCI_NAME_MAX]; /* in a BAR of it, let go first: "DRIVER/NAME"; "" none */
	uint8_t bar[PCI_BAR_COUNT]; /* BARs to resize, as in struct bind_target */
};

struct bind_group {
	int number; /* /dev/vfio/NUMBER */
	size_t count;
	struct bind_member *members; /* by address */
	struct bind_access access; /* asked for now, or when it was taken */
	bool viable; /* when all is done no member is left on a driver of the host: VFIO opens it */
};

/* What stands against a plan (or is worth a warning), from one table for text, JSON and tests. */
struct bind_problem {
	const char *check; /* stable name: "iommu", "id", "member", "block", … */
	bool refuses; /* false: a warning, or lifted by `allow` */
	bool liftable; /* --allow=CHECK would lift it */
	char object[64]; /* "0000:03:00.0", "nvme0n1p1", "group 12" */
	char text[256]; /* escaped */
	char fix[256]; /* what to do; "" when there is nothing */
};

struct bind_plan {
	size_t group_count;
	struct bind_group *groups; /* in the order of the targets */
	size_t problem_count;
	struct bind_problem *problems; /* all of them, not the first only */
	size_t refusals; /* problems that refuse: 0 means go */
};

#define BIND_PLAN_NONE ((struct bind_plan){0})

/*
 * Decides what bind_take() would do; reads only. A plan with refusals is a success: the caller
 * tells its problems. @ret: bind_plan_fini().
 * Return: 0, -ENOMEM, -errno.
 */
int bind_plan(const struct bind_env *env, const struct bind_request *q, struct bind_plan *ret,
	struct err *e);
void bind_plan_fini(struct bind_plan *p);

enum bind_op {
	BIND_OP_LOAD, /* module @path */
	BIND_OP_JOURNAL, /* entry @path, state @text */
	BIND_OP_WRITE, /* @text into @path */
	BIND_OP_VERIFY, /* link @path leads to driver @text */
	BIND_OP_WAIT, /* for node @path */
	BIND_OP_CHOWN, /* node @path to @text, "UID:GID", or "UID:GID MODE" */
	BIND_OP_RULE, /* file @path of udev's, that nodes which come anew are @text's */
	BIND_OP_SETTINGS, /* of the first @text virtual functions of interface @path, again */
};

/* One thing that bind_take() does, in order: --dry-run prints the list that is carried out. */
struct bind_step {
	enum bind_op op;
	int group;
	struct pci_address address; /* of WRITE and VERIFY */
	char path[128];
	char text[PCI_NAME_MAX]; /* free of newlines; an override is cleared by "" */
};

/* "load", "journal", "write", "verify", "wait", "chown", "rule", "keep". */
const char *bind_op_name(enum bind_op op);

/* The exact steps of a plan, for --dry-run; *@ret is the caller's to free(). Return: 0, -ENOMEM. */
int bind_plan_steps(const struct bind_env *env, const struct bind_request *q,
	const struct bind_plan *p, struct bind_step **ret, size_t *ret_count);

/*
 * Carries a request out. @ret is the plan that was made under the lock, also on failure; with
 * refusals nothing was touched. On any other failure everything has been undone, or @e says
 * what could not be, and the journal keeps it for bind_restore().
 * Return: 0, -EPERM when @ret->refusals, -EBUSY when another usher works on a group,
 * -ETIMEDOUT when the kernel did not come back from an unbind, -errno.
 */
int bind_take(const struct bind_env *env, const struct bind_request *q, struct bind_plan *ret,
	struct err *e);

enum bind_return {
	BIND_RETURN_DRIVER, /* to the driver and the override it was found with */
	BIND_RETURN_VFIO, /* stays on vfio-pci, held by the IOMMU; `usher release` gives it back */
	BIND_RETURN_NONE, /* to no driver */
};

struct bind_giving {
	int group;
	enum bind_return how;
	struct bind_owner owner; /* keeper: itself. pid 0: by hand, refused while an owner lives */
	const char *const *allow; /* "no-reset": what has no working reset goes back all the same */
	size_t allow_count;
	/* Their owner has tried to reset them, in vain: as good as without a reset, until taken anew. */
	const struct pci_address *unwiped;
	size_t unwiped_count;
	bool dry_run; /* decide and report, touch nothing */
};

/* What became of one member. */
struct bind_given {
	struct pci_address address;
	char from[PCI_NAME_MAX]; /* driver before; "" none */
	char to[PCI_NAME_MAX]; /* driver now */
	bool left; /* not where it should be: @text says why */
	char text[256];
};

struct bind_report {
	size_t given_count;
	struct bind_given *given;
};

#define BIND_REPORT_NONE ((struct bind_report){0})
void bind_report_fini(struct bind_report *r);

/*
 * Gives one group back and ends its lease. A group that was bound by hand before its owner took
 * it goes back to that state only; a device without a working reset stays on vfio-pci unless
 * allowed. A group without a journal entry gets one: devices on a VFIO driver lose their override
 * and are probed again. Idempotent.
 * Return: 0, -EPERM when refused (owner alive, in use, no reset), -EBUSY, -ETIMEDOUT, -errno.
 */
int bind_release(const struct bind_env *env, const struct bind_giving *g, struct bind_report *ret,
	struct err *e);

/* What the journal holds; for `usher restore`, `usher list` and the daemon. */
enum bind_lease_state {
	BIND_LEASE_VOID, /* of another boot: means nothing any more */
	BIND_LEASE_CORRUPT, /* unreadable; @text says where */
	BIND_LEASE_BROKEN, /* a transaction died half-way */
	BIND_LEASE_DEAD, /* its owner is gone */
	BIND_LEASE_KEPT, /* bound by hand, nobody's: `usher release` */
	BIND_LEASE_LIVE, /* its owner runs */
	BIND_LEASE_BUSY, /* usher is at work on it; or was, a moment ago, or the kernel is stuck */
};

struct bind_lease {
	int group;
	enum bind_lease_state state;
	struct bind_owner owner;
	char text[160]; /* one sentence for people */
};

/* Every entry by group number; *@ret is the caller's to free(). Return: 0, -ENOMEM, -errno. */
int bind_leases(
	const struct bind_env *env, struct bind_lease **ret, size_t *ret_count, struct err *e);

enum bind_kept { BIND_KEPT_STAYS, BIND_KEPT_RELEASE };

/*
 * Cleans up one entry as its state asks: void and corrupt ones are removed, broken and dead
 * ones released, live and busy ones left alone, and so are kept ones unless @kept says otherwise.
 * Idempotent. Return: 0 done or nothing to do, 1 left alone, -errno as bind_release().
 */
int bind_restore(const struct bind_env *env, int group, enum bind_kept kept,
	struct bind_report *ret, struct err *e);

#endif
