/* SPDX-License-Identifier: MIT */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

/*
 * How it works
 *
 * The invariant: usher reads a host through struct host alone, and writes nothing through it. So
 * what one reader gets from the live machine, another one gets from a snapshot, and each read verb
 * and each check replays on a user's report and on a test's fixture.
 *
 * Back ends: host/live.c asks the kernel; host/snapshot.c answers from a text in memory;
 * host/recorder.c asks another host and remembers the answers, which make the next snapshot.
 */
struct host {
	const struct host_ops *ops;
};

/* How a process reaches a node. */
enum host_holder_way {
	HOST_HOLDER_OPEN, /* by a descriptor */
	HOST_HOLDER_MAPPED, /* by memory, perhaps without a descriptor */
	HOST_HOLDER_RING, /* by a file that is registered with an io_uring */
};

/* A process that can reach a device node, or a BAR in sysfs. */
struct host_holder {
	pid_t pid;
	uid_t uid;
	enum host_holder_way way;
	bool is_block; /* block and character nodes have separate numbers */
	dev_t rdev; /* of the node; 0: of a BAR, or unknown */
	char resource[40]; /* MAPPED: "0000:01:00.0/resource0"; "" for a node */
	char comm[17]; /* as in /proc/PID/comm, not escaped */
};

/*
 * Where to look for holders: descriptors alone, or also memory, rings, and each thread's own. Or
 * for mappings of BARs alone, as the caller knows that nobody can have the device's nodes; what is
 * reported beyond them is not complete then.
 */
enum host_look { HOST_LOOK_DESCRIPTORS, HOST_LOOK_EVERYWHERE, HOST_LOOK_BARS };

/* Owner and mode of a device node. */
struct host_node {
	unsigned mode; /* permission bits, [0, 07777] */
	uid_t uid;
	gid_t gid;
};

enum host_number_kind { HOST_NUMBER_CHAR, HOST_NUMBER_BLOCK, HOST_NUMBER_FILE };

/* What a path leads to, by number: one disk may have many names in /dev. */
struct host_number {
	enum host_number_kind kind;
	dev_t dev; /* of the node; of a file or folder: its file system's */
	uint64_t inode; /* of the file below a live loop device; 0: not asked for, or a snapshot */
};

/* An address of a network interface. */
struct host_net_address {
	char interface[16];
	int family; /* AF_INET, AF_INET6 */
	uint8_t bytes[16]; /* 4 or 16 of them, network order */
	uint8_t prefix; /* length of the network part [bits] */
};

/* A use of a network interface that no file shows. */
enum host_net_use_kind {
	HOST_NET_UPPER, /* another interface is on top of it: a macvlan, a VLAN, a tunnel */
	HOST_NET_AWAY, /* an interface of a device of ours is in another network namespace */
	HOST_NET_XDP, /* a program of XDP sees its packets */
	HOST_NET_FILTER, /* filters or programs of tc see its packets */
	HOST_NET_TARGET, /* tc sends packets of another interface to it */
	HOST_NET_ROUTE, /* a route of another table than the main one leads to it */
	HOST_NET_RULE, /* a routing rule names it */
};

struct host_net_use {
	enum host_net_use_kind kind;
	char lower[16]; /* our interface; "": HOST_NET_AWAY */
	char name[16]; /* UPPER, AWAY: the other interface, in its namespace; else "" */
	char detail[64]; /* AWAY: name of its device on its bus; else "program 12", "u32" */
	/* Of the other namespace; ours: 0, 0, "". */
	pid_t pid; /* the first process that keeps it; 0: a mount does */
	uid_t uid; /* of that process */
	char owner[64]; /* the process's comm, else the namespace's mount point; not escaped */
};

#define HOST_VF_UNTOLD UINT32_MAX /* the driver does not report it; the kernel's value for that */

/* Settings of a virtual function, which the interface of its physical function keeps. */
struct host_vf {
	uint32_t index; /* virtfnN */
	uint8_t mac[6];
	uint16_t vlan; /* 0: none */
	uint32_t qos;
	uint16_t proto; /* of the VLAN: 0x8100, 0x88a8 */
	uint32_t min_rate, max_rate; /* [Mbit/s], 0: no limit */
	/* As in ip-link(8); HOST_VF_UNTOLD: the driver does not have it. */
	uint32_t spoofchk, link_state, rss_query, trust;
};

struct host_ops {
	void (*close)(struct host *h);
	/* Reads up to @size bytes from the start of a file. Return: length, -errno. */
	ssize_t (*read)(struct host *h, const char *path, void *buf, size_t size);
	/* Reads the target of a symbolic link and adds a NUL. Return: length, -errno. */
	ssize_t (*link)(struct host *h, const char *path, char *buf, size_t size);
	/*
	 * Calls @each for each name in a directory but . and .., in no order, until it returns
	 * non-zero. Return: 0, what @each returned, -errno.
	 */
	int (*list)(struct host *h, const char *path, int (*each)(void *arg, const char *name),
		void *arg);
	/*
	 * Whether the disk that sysfs calls @disk is held exclusively, as by mount, swap, md, dm,
	 * zfs and btrfs: by open(O_RDONLY | O_EXCL) of its node.
	 * Return: 0 free, 1 busy, -ENODEV if /dev has no node with its number, -errno unknown.
	 */
	int (*block_busy)(struct host *h, const char *disk);
	/*
	 * Calls @each for each device node that any process can reach, except memory devices
	 * (/dev/null) and pseudo terminals: most processes have these, and no hardware is behind
	 * them. A node may come more than once. A listing looks at descriptors alone.
	 * Return: 0; what @each returned; -EACCES, after the rest, when usher may not look at some
	 * process; -errno.
	 */
	int (*holders)(struct host *h, enum host_look look,
		int (*each)(void *arg, const struct host_holder *o), void *arg);
	/* When a file last changed [ns since the epoch]; 0: unknown. */
	int64_t (*changed)(struct host *h, const char *path);
	/* host_modified(): call that. NULL: none known. */
	int64_t (*modified)(struct host *h, const char *path);
	/* Reads owner and mode. Return: 0, -ENODEV when it is not a device node, -errno. */
	int (*node)(struct host *h, const char *path, struct host_node *ret);
	/*
	 * Reads the number of a node, through links; of anything else, that of its file system.
	 * Return: 0, -ENOENT, -errno.
	 */
	int (*number)(struct host *h, const char *path, struct host_number *ret);
	/*
	 * Reads what the kernel has open for loop device @name ("loop0"): a block device or a file.
	 * Return: 0, -ENXIO for a free loop device, -EACCES for an ordinary user, -ENODEV as
	 * block_busy(), -ENOENT if a snapshot does not have it, -errno.
	 */
	int (*loop)(struct host *h, const char *name, struct host_number *ret);
	/* Calls @each for each address of each network interface. Return: as holders(). */
	int (*addresses)(struct host *h, int (*each)(void *arg, const struct host_net_address *a),
		void *arg);
	/* host_net_uses(), …, host_way(): call those. NULL: live machine. */
	int (*net_uses)(
		struct host *h, int (*each)(void *arg, const struct host_net_use *u), void *arg);
	int (*other_nets)(struct host *h);
	int (*socket)(struct host *h, uint64_t inode, struct host_holder *ret);
	int (*way)(struct host *h, int family, const uint8_t to[16], char interface[16]);
	/* NULL in a snapshot: only verbs that change virtual functions ask for their settings. */
	int (*functions)(struct host *h, const char *interface,
		int (*each)(void *arg, const struct host_vf *vf), void *arg);
};

/* The machine that usher runs on. It never fails, and host_close() ignores it. */
struct host *host_live(void);

/*
 * Opens a host from the text of a snapshot in a file; host/snapshot.c describes the form.
 * Return: 0, -errno. The caller calls host_close().
 */
int host_snapshot_open(const char *file, struct host **ret, struct err *e);
/* Whether its form has a last line that proves it whole; false for snapshots of older versions. */
bool host_snapshot_is_proven(struct host *h);
/* The same from a text in memory, which it copies. */
int host_snapshot_from(const char *text, size_t len, struct host **ret, struct err *e);

/*
 * Calls @each for each virtual function whose settings an interface keeps; for none of a snapshot.
 * Return: 0, what @each returned, -ENODEV without the interface, -errno.
 */
int host_functions(struct host *h, const char *interface,
	int (*each)(void *arg, const struct host_vf *vf), void *arg);

/*
 * Calls @each for each use of a network interface that no file shows, also in other network
 * namespaces. A child process enters each, so a listing must not call this.
 * Return: 0; what @each returned; -EACCES, after the rest, when usher may not enter some namespace;
 * -ETIMEDOUT; -errno.
 */
int host_net_uses(struct host *h, int (*each)(void *arg, const struct host_net_use *u), void *arg);
/*
 * Whether a process or a mount keeps another network namespace than ours, without a look inside.
 * Return: 1, 0, -errno.
 */
int host_other_nets(struct host *h);
/*
 * Finds the first process that has the socket of that inode open.
 * Return: 0, -ENOENT, -EACCES when some process could not be looked at, -errno.
 */
int host_socket(struct host *h, uint64_t inode, struct host_holder *ret);

/*
 * When a file last changed [s since the epoch], as evidence: unlike changed(), a snapshot keeps it.
 * Return: 0 if unknown.
 */
int64_t host_modified(struct host *h, const char *path);

/*
 * Which interface packets to an address leave by, with all rules and tables of routing.
 * @to: 4 or 16 bytes, network order. Return: 0; -ENOENT, if a snapshot does not have it, or the
 * address is the host's own; -ENETUNREACH; -errno.
 */
int host_way(struct host *h, int family, const uint8_t to[16], char interface[16]);

/* NULL is fine. */
void host_close(struct host *h);

/*
 * Reads a whole file of any length and adds a NUL. The caller frees *@ret.
 * Return: length, -EFBIG above 16 MiB, -ENOMEM, -errno.
 */
ssize_t host_read_all(struct host *h, const char *path, char **ret);

/* Reads a text attribute and removes one trailing newline. Return: length, -EFBIG, -errno. */
int host_read_text(struct host *h, const char *path, char *buf, size_t size);
/* Reads a number in decimal or 0x form. Return: 0, -EINVAL, -errno. */
int host_read_number(struct host *h, const char *path, uint64_t *ret);
/* Reads the last component of a link's target, as of "driver". Return: length, -errno. */
int host_link_name(struct host *h, const char *path, char *buf, size_t size);

/* The kernel's messages, for `read` and host_read_all(): lines "<LEVEL>[TIME] TEXT". */
#define HOST_KERNEL_LOG "/dev/kmsg"

#endif
