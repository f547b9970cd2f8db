/* SPDX-License-Identifier: MIT */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

/*
 * The one way to read a host. Whatever usher learns from sysfs, /proc, /etc, block and network
 * state goes through here, with two back ends: the live machine, and a snapshot held in memory.
 * So every read verb and every check replays on a user's report and on a test's fixture.
 * Nothing is ever written through a host.
 */
struct host {
	const struct host_ops *ops;
};

/* A process that holds an open descriptor of a device node. */
struct host_holder {
	pid_t pid;
	uid_t uid;
	bool is_block; /* the node's kind: character and block nodes number apart */
	dev_t rdev; /* of the node */
	char comm[17]; /* as /proc/PID/comm: not escaped yet */
};

/* A node of /dev: who may open it. */
struct host_node {
	unsigned mode; /* permission bits, [0, 07777] */
	uid_t uid;
	gid_t gid;
};

enum host_number_kind { HOST_NUMBER_CHAR, HOST_NUMBER_BLOCK, HOST_NUMBER_FILE };

/* What a path leads to, by number: the same disk has other names in every /dev. */
struct host_number {
	enum host_number_kind kind;
	dev_t dev; /* of the node itself; of the file system that a file or folder is on */
};

/* An address of a network interface. */
struct host_net_address {
	char interface[16];
	int family; /* AF_INET, AF_INET6 */
	uint8_t bytes[16]; /* 4 or 16 of them, network order */
	uint8_t prefix; /* length of the network's part [bits] */
};

/* An interface in another network namespace that stands on one of ours: a macvlan, a VLAN. */
struct host_net_upper {
	char lower[16]; /* ours */
	char name[16]; /* of the upper one, in its namespace */
	pid_t pid; /* the first process of that namespace; 0: none is known */
	uid_t uid; /* of that process */
	char owner[64]; /* the process's comm, else where the namespace is mounted: not escaped */
};

#define HOST_VF_UNTOLD UINT32_MAX /* what a driver does not tell, and the kernel's word for it */

/* What the interface of a physical function keeps for one of its virtual ones. */
struct host_vf {
	uint32_t index; /* virtfnN */
	uint8_t mac[6];
	uint16_t vlan; /* 0: none */
	uint32_t qos;
	uint16_t proto; /* of the VLAN: 0x8100, 0x88a8 */
	uint32_t min_rate, max_rate; /* [Mbit/s], 0: no limit */
	/* As ip-link(8) has them; HOST_VF_UNTOLD where the driver has none. */
	uint32_t spoofchk, link_state, rss_query, trust;
};

struct host_ops {
	void (*close)(struct host *h);
	/* Up to @size bytes from the start of a file. Return: length, -errno. */
	ssize_t (*read)(struct host *h, const char *path, void *buf, size_t size);
	/* Target of a symbolic link, NUL-terminated. Return: length, -errno. */
	ssize_t (*link)(struct host *h, const char *path, char *buf, size_t size);
	/* Each name in a directory but . and .., in no order; stops when @each returns non-zero. */
	int (*list)(struct host *h, const char *path, int (*each)(void *arg, const char *name),
		void *arg);
	/*
	 * Whether somebody holds /dev/@disk exclusively (mount, swap, md, dm, zfs, btrfs all do):
	 * open(O_RDONLY | O_EXCL) on the block device. Return: 0 free, 1 busy, -errno unknown.
	 */
	int (*block_busy)(struct host *h, const char *disk);
	/*
	 * Each open descriptor of a character or block device node of any process, but for memory
	 * devices (/dev/null) and pseudo terminals: all have them open, and no hardware is behind.
	 * Return: 0, what @each returned, -EACCES after all others when some process could not be
	 * looked at, -errno.
	 */
	int (*holders)(
		struct host *h, int (*each)(void *arg, const struct host_holder *o), void *arg);
	/* When a file was last changed [ns since the epoch]; 0 when that cannot be told. */
	int64_t (*changed)(struct host *h, const char *path);
	/* Return: 0, -ENODEV for what is no node of a device, -errno. */
	int (*node)(struct host *h, const char *path, struct host_node *ret);
	/*
	 * The number of a node, links followed; that of its file system for anything else.
	 * Return: 0, -ENOENT, -errno.
	 */
	int (*number)(struct host *h, const char *path, struct host_number *ret);
	/*
	 * What loop device @name ("loop0") lies over, as the kernel has it open: a block device, or
	 * a file. Return: 0, -ENXIO for a free one, -EACCES for who is no administrator, -errno.
	 */
	int (*loop)(struct host *h, const char *name, struct host_number *ret);
	/* Each address of each network interface. Return: as holders(). */
	int (*addresses)(struct host *h, int (*each)(void *arg, const struct host_net_address *a),
		void *arg);
	/*
	 * Each interface of another network namespace that stands on one of ours. A child process
	 * asks in each namespace, so no listing calls this.
	 * Return: 0, what @each returned, -EACCES after all others when some namespace could not be
	 * looked at, -ETIMEDOUT, -errno.
	 */
	int (*uppers)(
		struct host *h, int (*each)(void *arg, const struct host_net_upper *u), void *arg);
	/* Of an interface; only who changes virtual functions asks, so a snapshot has none. */
	int (*functions)(struct host *h, const char *interface,
		int (*each)(void *arg, const struct host_vf *vf), void *arg);
};

/* The machine usher runs on. @h is the caller's; never fails. */
struct host *host_live(void);

/*
 * A host read from a manifest in memory or in a file: see pci/snapshot.c for the form.
 * Return: 0, -errno. The host is the caller's: host_close().
 */
int host_snapshot_open(const char *file, struct host **ret, struct err *e);
/* The same of a text in memory, which is copied. */
int host_snapshot_from(const char *text, size_t len, struct host **ret, struct err *e);

/*
 * Each virtual function that an interface keeps something for; none where the host cannot tell.
 * Return: 0, what @each returned, -ENODEV without the interface, -errno.
 */
int host_functions(struct host *h, const char *interface,
	int (*each)(void *arg, const struct host_vf *vf), void *arg);

void host_close(struct host *h); /* NULL and the live host are fine */

/*
 * The whole of a file of any length, NUL-terminated; *@ret is the caller's to free().
 * Return: length, -EFBIG above 16 MiB, -ENOMEM, -errno.
 */
ssize_t host_read_all(struct host *h, const char *path, char **ret);

/* Text attribute, trailing newline removed. Return: length, -EFBIG, -errno. */
int host_read_text(struct host *h, const char *path, char *buf, size_t size);
/* Number in decimal or 0x form. Return: 0, -EINVAL, -errno. */
int host_read_number(struct host *h, const char *path, uint64_t *ret);
/* Last component of a link's target ("driver", "iommu_group"). Return: length, -errno. */
int host_link_name(struct host *h, const char *path, char *buf, size_t size);

/* The kernel's messages, read through `read` or host_read_all(): lines "<LEVEL>[TIME] TEXT". */
#define HOST_KERNEL_LOG "/dev/kmsg"

#endif
