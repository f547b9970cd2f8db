/* SPDX-License-Identifier: MIT */
#ifndef CLAIM_CLAIM_H
#define CLAIM_CLAIM_H

/*
 * Claims: the devices that are set aside for VFIO at every boot. They are the only state of usher
 * that outlives a boot. One file each, /etc/usher/claims.d/NAME.claim, made by `usher claim`, and
 * fit to be edited: `key value` lines in any order, each key once; empty lines and those that
 * start with # do not count. Anything else makes the claim void, and usher says why.
 *
 *	usher-claim 1
 *	address 0000:01:00.0		where it was when it was claimed: for people
 *	path 0000:00/01.0/00.0		its place: struct claim_identity
 *	id 1b36:0010
 *	subsystem 1af4:1100
 *	serial 525400fffe000001		optional
 *	driver vfio-pci			optional: vfio-pci, or the variant that fits better
 *	user alice			optional: owner of its nodes, by name or number
 *	user-group kvm			optional: a group that may open them, too
 *	vfs 4				optional: it stays with its driver, and has so many virtual
 *					functions; then without the three above
 *
 * At boot a udev rule made from them (claim/rule.h) keeps other drivers off; `usher apply` binds.
 */

#include "bind/plan.h"
#include "claim/identity.h"

#define CLAIMS_DIR "/etc/usher/claims.d"
#define CLAIM_BYTES_MAX 4096 /* [bytes] of one file */
#define CLAIMS_MAX 1024
#define CLAIM_VFS_MAX 65535 /* TotalVFs has 16 bits */
#define CLAIM_NAME_MAX 192 /* of a file, with the NUL */

struct claim {
	char name[CLAIM_NAME_MAX]; /* of its file, without ".claim"; escaped */
	char bad[256]; /* why the file means nothing; "" when it is good */
	struct pci_address address;
	struct claim_identity identity;
	char driver[PCI_NAME_MAX]; /* "" for the one that fits best */
	char user[BIND_NAME_MAX]; /* "": root, as the kernel makes nodes */
	char user_group[BIND_NAME_MAX];
	unsigned vfs; /* virtual functions to make at boot; 0: the device itself is for VFIO */
};

/* Text of a claim; *@ret is the caller's to free(). Return: length, -ENOMEM. */
int claim_format(const struct claim *c, char **ret);

/* @text: NUL-terminated, changed while it is read. Return: 0, -EBADMSG with the line in @e. */
int claim_parse(char *text, struct claim *ret, struct err *e);

/*
 * Every file of @folder, by name, the void ones with their reason; a place that two claim is the
 * first one's. A folder that is not there holds none. *@ret is the caller's to free().
 * Return: 0, -E2BIG, -ENOMEM, -errno.
 */
int claim_list(
	struct host *h, const char *folder, struct claim **ret, size_t *ret_count, struct err *e);

/* Builds the claim for a device without writing it. Return: 0, -EPERM if it can have none. */
int claim_make(struct host *h, struct pci_address a, struct claim *ret, struct err *e);

/*
 * Whether @c may take the place of a claim that is there: a device is either for VFIO or keeps its
 * driver for virtual functions. Return: 0, -EPERM, as claim_list().
 */
int claim_check_place(struct host *h, const char *folder, const struct claim *c, struct err *e);

/* Writes it, as the only one of its place. Return: 0, -errno. */
int claim_write(const char *folder, struct claim *c, struct err *e);
/* Return: 0, -errno. */
int claim_remove(const char *folder, const struct claim *c, struct err *e);

/* Where the claimed device is now. */
enum claim_standing {
	CLAIM_STANDING_AT, /* in its place */
	CLAIM_STANDING_MOVED, /* in another place: the user decides whether to bind it there */
	CLAIM_STANDING_MISSING,
	CLAIM_STANDING_OTHER, /* another device is in its place */
	CLAIM_STANDING_VOID, /* the claim is bad */
};

struct claim_judgement {
	enum claim_standing standing;
	struct pci_device device; /* the claimed one (AT, MOVED) or the other one (OTHER) */
	/*
	 * Another device is in the place, without a claim. It differs by its serial number only,
	 * which the udev rule cannot see, so the rule keeps it from its driver by mistake.
	 */
	bool has_stray;
	struct pci_device stray;
	char text[256]; /* "at 0000:01:00.0", "moved: it is now at 0000:02:00.0", … */
};

/*
 * Where the device of each of @claims is now; *@ret has one for each and is the
 * caller's to free(). Return: 0, -ENOMEM, -errno.
 */
int claim_judge(struct host *h, const struct claim *claims, size_t count,
	struct claim_judgement **ret, struct err *e);
/* The same for a caller that has listed the devices already. */
int claim_judge_among(struct host *h, const struct pci_device *devices, size_t device_count,
	const struct claim *claims, size_t count, struct claim_judgement **ret);

/* "at", "moved", "missing", "other", "void". */
const char *claim_standing_name(enum claim_standing s);

#endif
