/* SPDX-License-Identifier: MIT */
#ifndef BIND_JOURNAL_H
#define BIND_JOURNAL_H

/*
 * STATE/journal/GROUP: the state of a group before usher changed it, and its owner. usher writes
 * and fsyncs the entry before the first write to sysfs, and removes it after the last write of the
 * release. At every moment in between the disk has what usher needs to go back.
 *
 * One `key value…` a line, in a fixed order, closed by `end`. Any other text is corrupt:
 *
 *	usher-journal 1
 *	group 12
 *	boot 1b2f…			/proc/sys/kernel/random/boot_id
 *	state taking | taken | giving	giving: the group is being returned
 *	owner PID START NAME		`owner 0 0 -` for none
 *	domain NAME			optional: the owner is this domain of libvirt, escaped
 *	writer PID START		the process that does the writes of this transaction
 *	space 4026532201		the owner's PID namespace, if it is not the first one
 *	kept yes | no			bound manually: stays bound when its owner releases it
 *	used yes | no			it was handed out: the devices hold state of a user
 *	reset needed | waived		--allow=no-reset
 *	nodes 1000 1000 0660		optional: user, group (`-`: unchanged), mode (0: unchanged)
 *	members N
 *	member 0000:03:00.0 8086:10d3 020000	N times, with these five below each:
 *	to vfio-pci
 *	driver e1000e			`-` for none, here and below; `+`: the one that fits, which
 *					the kernel chooses (a claim prevented any driver)
 *	override -
 *	control auto			power/control
 *	reset_method flr bus
 *	framebuffer efi-framebuffer/efi-framebuffer.0	only when there was one
 *	bar 1 8				size before, 2^8 MiB; a line for each that was resized
 *	vf 0 52:54:00:00:00:09 …	of a virtual network card: bind_vf_settings_format()
 *	unwiped yes			only if the reset at the end of its use failed
 *	end
 */

#include "bind/plan.h"
#include "host/host.h"

#define BIND_MEMBERS_MAX 1024 /* far above 256 functions of a bus, VFs included */
#define BIND_JOURNAL_MAX (1 << 20) /* [bytes] an entry of as many members stays below */
#define BIND_DRIVER_FITTING "+" /* in the place of the driver before */
#define BIND_BOOT_MAX 40 /* a UUID and the NUL */

enum bind_state { BIND_STATE_TAKING, BIND_STATE_TAKEN, BIND_STATE_RETURNING };

struct bind_was {
	struct pci_address address;
	uint16_t vendor;
	uint16_t device;
	uint32_t class;
	char to[PCI_NAME_MAX];
	char driver[PCI_NAME_MAX];
	char override[PCI_NAME_MAX];
	char control[PCI_NAME_MAX];
	char reset_method[PCI_NAME_MAX];
	char framebuffer[PCI_NAME_MAX]; /* "": none; see struct bind_member */
	uint8_t bar[PCI_BAR_COUNT]; /* 0: not resized; see bind/resize.h */
	bool unwiped; /* its reset failed: it stays on VFIO */
	bool has_vf;
	struct host_vf vf; /* its settings at the physical function's interface */
};

struct bind_entry {
	int group;
	char boot[BIND_BOOT_MAX];
	enum bind_state state;
	struct bind_owner owner;
	pid_t writer; /* 0: none */
	uint64_t writer_start;
	bool manual; /* `kept` in the text */
	bool used;
	bool reset_waived;
	struct bind_access access;
	size_t count;
	struct bind_was *members;
};

#define BIND_ENTRY_NONE ((struct bind_entry){.access = BIND_ACCESS_NONE})
void bind_entry_fini(struct bind_entry *n);

/* Text of an entry; *@ret is the caller's to free(). Return: length, -ENOMEM. */
int bind_entry_format(const struct bind_entry *n, char **ret);

/*
 * @text: NUL-terminated, changed while it is read. @ret: bind_entry_fini().
 * Return: 0, -EBADMSG with the line in @e, -ENOMEM.
 */
int bind_entry_parse(char *text, struct bind_entry *ret, struct err *e);

/* Return: 0, -ENOENT without an entry, -EBADMSG, -ENOMEM, -errno. */
int bind_journal_read(const struct bind_env *env, int group, struct bind_entry *ret, struct err *e);
int bind_journal_write(const struct bind_env *env, const struct bind_entry *n, struct err *e);
/* Return: 0, also when there is none; -errno. */
int bind_journal_remove(const struct bind_env *env, int group, struct err *e);
/*
 * True if the file system took no new entry: it is full or read-only, or it fails. The entry of
 * before is whole, and serves to return the devices.
 */
bool bind_journal_is_full(int error);
int bind_journal_path(const struct bind_env *env, int group, char *buf, size_t size);

/* This boot's id. Return: 0, -errno. */
int bind_boot_id(struct host *h, char ret[BIND_BOOT_MAX], struct err *e);

/* The member of that address, or NULL. */
const struct bind_was *bind_entry_find(const struct bind_entry *n, struct pci_address a);

/*
 * True if every member is back where an older entry found it: someone returned the group without
 * usher, so the entry is stale.
 */
bool bind_entry_is_past(const struct bind_group *g, const struct bind_entry *old);

#endif
