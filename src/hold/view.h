/* SPDX-License-Identifier: MIT */
#ifndef HOLD_VIEW_H
#define HOLD_VIEW_H

#include "hold/hold.h"
#include "host/host.h"
#include "pci/device.h"

#include <stdarg.h>

#define HOLD_TARGET_MAX 512

/*
 * What all sources need, read once. In sysfs every class device is a link whose target goes through
 * its PCI function, so the link is enough to find the function.
 */
struct hold_link {
	char name[64];
	char *target; /* "../../devices/pci0000:00/0000:00:04.0/nvme/nvme0/nvme0n1" */
};

struct hold_links {
	size_t count;
	struct hold_link *list; /* by name */
};

/* A node or a BAR that some process can reach. */
struct hold_open {
	struct host_holder holder;
	char *target; /* of /sys/dev/{char,block}/MAJOR:MINOR; NULL: no such link */
	char *node; /* "dri/card1"; NULL until needed */
};

/* A loop device that has something below it. */
struct hold_loop {
	const char *name; /* the view's: "loop0" */
	char *file; /* as the kernel names it: "/dev/nvme0n1p1", "/srv/image (deleted)" */
	bool is_told; /* @number is what it is; false: only the name is known */
	int error; /* why it is not told, -errno; -ENOENT: a snapshot does not have it */
	struct host_number number;
};

/* One line of mountinfo. */
struct hold_mount {
	dev_t number; /* of the file system; major 0: anonymous */
	dev_t node; /* of the disk that an anonymous one has as its source; 0: none is known */
	const char *where; /* as mountinfo has it: blanks are "\040" */
	const char *type;
	const char *source;
	const char *options; /* of the file system, as mountinfo has them */
};

/* A folder or an image that lies below a file system which the host needs. */
struct hold_layer {
	const char *where; /* that file system is mounted there */
	dev_t number; /* of the file system that the layer is on; major 0: anonymous */
	const struct hold_mount *mount; /* of that file system; NULL: not found */
};

/* One line of /proc/swaps. */
struct hold_swap {
	const char *name; /* as the kernel has it: blanks are "\040" */
	bool is_file;
	dev_t number; /* of the disk, or of the file system that the file is on; 0: unknown */
	const struct hold_mount *mount; /* of a file: its file system's; NULL: unknown */
};

/* A disk that is part of a btrfs. */
struct hold_volume {
	dev_t number;
	char uuid[40]; /* of the file system */
};

/* A disk, a partition, a device above one; or a share, which is no block device. */
struct hold_disk {
	const char *name; /* "dm-0" */
	char alias[128]; /* "vg-root"; "" for what has no other name */
	dev_t number; /* 0: sysfs does not tell */
	const char *share; /* type of the share's file systems: "9p", "virtiofs"; NULL: a disk */
	const char *tag; /* of the share: source of its mounts; "" when it is unknown */
};

/* The users of a disk or a share that the kernel shows. */
struct hold_uses {
	char text[256]; /* "mounted at /srv"; "" for none */
	bool absolute; /* the host needs one of them */
};

/* What is mounted where the host needs it, from a server. */
struct hold_remote {
	const char *where;
	char type[24]; /* "nfs4", "iscsi" */
	char address[64]; /* of the server; "" when it is unknown */
	char interface[16]; /* that has the route to it; "" when it is unknown */
};

#define HOLD_EXPORT_TEXT 160

/* A disk, or a controller, that the kernel serves to others. */
struct hold_export {
	bool is_known; /* false: what it is could not be found out */
	struct host_number number;
	char path[128]; /* as the target's settings have it */
	char text[HOLD_EXPORT_TEXT]; /* "exported by nvmet: subsystem NQN, namespace 1" */
};

struct hold_view {
	struct host *host;
	struct hold_links block;
	struct hold_links net;
	struct hold_links input;
	bool has_groups; /* some device is on a VFIO driver */
	size_t nr_opens;
	struct hold_open *opens; /* by pid, then node; each pair once */
	int64_t udev_until; /* clock_ms() at which its patience ends; 0: nothing was waited for */
	int blind; /* -errno when some processes could not be looked at */
	size_t nr_addresses;
	struct host_net_address *addresses;
	/* The functions below read the rest when a device first needs it. */
	char *mountinfo; /* ours and process 1's, cut into words; NULL until it is read */
	size_t mount_count;
	struct hold_mount *mounts;
	size_t volume_count;
	struct hold_volume *volumes;
	size_t layer_count;
	struct hold_layer *layers;
	/* Every text is "" when its file is not there. */
	char *swap_text; /* /proc/swaps, cut into words; NULL until it is read */
	size_t swap_count;
	struct hold_swap *swaps;
	bool has_loops;
	size_t nr_loops;
	struct hold_loop *loops;
	enum host_look look; /* for processes */
	bool is_patient; /* udev is waited for */
	bool is_listing; /* nothing that takes a process of its own is asked */
	bool has_uses;
	size_t use_count;
	struct host_net_use *uses; /* of interfaces, that no file shows */
	int uses_error; /* -errno when some could not be looked at */
	bool has_other_nets; /* @other_nets is known */
	int other_nets; /* 1: other network namespaces exist; 0; -errno */
	bool has_exports;
	size_t export_count;
	struct hold_export *exports;
	bool has_graphics;
	struct hold_links graphics; /* framebuffers */
	bool has_remotes;
	size_t remote_count;
	struct hold_remote *remotes;
	bool has_nested;
	struct hold_links nested; /* devices of other buses, each below a PCI function */
	bool has_bluetooth;
	struct hold_links bluetooth;
	bool has_dma;
	struct hold_links dma;
	bool has_mediated;
	struct hold_links mediated; /* mediated devices */
	char *pppoe; /* /proc/net/pppoe */
	char *packets; /* /proc/net/packet */
	char *handlers; /* /proc/net/ptype */
	char *routes; /* /proc/net/route */
	char *routes6; /* /proc/net/ipv6_route */
	char *users; /* /etc/passwd */
	bool has_consoles;
	struct hold_links consoles; /* of /sys/class/tty/console/active, those that have a device */
	char ssh[64]; /* local address of the SSH session that usher runs in; "" for none */
};

/* One question to all sources, and their answers. */
struct hold_case {
	struct hold_view *view;
	const struct pci_device *device;
	char address[PCI_ADDRESS_TEXT];
	struct holds *found;
};

/* The nodes and BARs that processes can reach, anew. Return: 0, -ENOMEM, -errno. */
int hold_opens_read(struct hold_view *v);
void hold_opens_free(struct hold_view *v);
/*
 * Waits while udev looks into a node of the device, if the view is patient, and reads the nodes
 * again. After 5 s for one view, or a signal that is to end usher, the worker counts as a user.
 * Return: 0, -ENOMEM, -errno.
 */
int hold_udev_wait(struct hold_case *c);

/* Read what the disks, or the interfaces, need. Once. Return: 0, -ENOMEM, -errno. */
int hold_view_disks(struct hold_view *v);
int hold_view_routes(struct hold_view *v);

/*
 * Mounts out of the text of mountinfo, which is changed and must outlive the view.
 * Return: 0, -ENOMEM.
 */
int hold_mounts_parse(struct hold_view *v, char *text);
/* Whether the host does not run without it. */
bool hold_mount_is_needed(const struct hold_mount *m);
bool hold_mount_is_on(
	const struct hold_view *v, const struct hold_mount *m, const struct hold_disk *d);
/*
 * Whether something that the host needs is on a file system whose disks are unknown, or on an
 * overlay over such a one. Then a claimed disk without a visible user may be one of them.
 */
bool hold_mounts_hide_disks(const struct hold_view *v);
/* The mount of the file system @number, or the one that @path is below; NULL for none. */
const struct hold_mount *hold_mount_of_number(const struct hold_view *v, dev_t number);
const struct hold_mount *hold_mount_of_path(const struct hold_view *v, const char *path);
/* True for the numbers of file systems that are not on one disk. */
bool hold_number_is_anonymous(dev_t number);

/* What lies below the mounts that the host needs; after the mounts. Return: 0, -ENOMEM. */
int hold_layers_read(struct hold_view *v);
bool hold_layer_is_on(
	const struct hold_view *v, const struct hold_layer *l, const struct hold_disk *d);

/* Swap spaces out of v->swap_text; after the mounts. Return: 0, -ENOMEM. */
int hold_swaps_parse(struct hold_view *v);
bool hold_swap_is_on(
	const struct hold_view *v, const struct hold_swap *s, const struct hold_disk *d);

/* Whether a loop device lies over a file that is on the disk. */
bool hold_image_is_on(
	const struct hold_view *v, const struct hold_loop *l, const struct hold_disk *d);

/* The number of a block device by its name in sysfs, or by its path in /dev; 0: not known. */
dev_t hold_block_number(struct host *h, const char *name);
dev_t hold_path_number(struct host *h, const char *path);

/* What the kernel serves to others; once. Return: 0, -ENOMEM. */
int hold_exports_read(struct hold_view *v);

/* Uses of interfaces that no file shows; none in a listing. Once. Return: 0, -ENOMEM. */
int hold_view_uses(struct hold_view *v);

/* Whether other network namespaces exist; once. Return: 1, 0, -errno. */
int hold_view_other_nets(struct hold_view *v);

/* What takes frames below IP; once. Return: 0, -ENOMEM, -errno. */
int hold_view_protocols(struct hold_view *v);

/* Links of a class or a bus, which @v owns; once. Return: 0, -ENOMEM, -errno. */
int hold_view_bluetooth(struct hold_view *v, const struct hold_links **ret);
int hold_view_dma(struct hold_view *v, const struct hold_links **ret);
int hold_view_mediated(struct hold_view *v, const struct hold_links **ret);

/* Devices of USB, virtio and the auxiliary bus, which @v owns; once. Return: 0, -ENOMEM, -errno. */
int hold_view_nested(struct hold_view *v, const struct hold_links **ret);

/* The framebuffers ("fb0"), by name, which are @v's. Return: 0, -ENOMEM, -errno. */
int hold_view_graphics(struct hold_view *v, const struct hold_links **ret);

/* The kernel's consoles, which are @v's. Return: 0, -ENOMEM. */
int hold_view_consoles(struct hold_view *v, const struct hold_links **ret);

/* Whether a link's target goes through the device. */
bool hold_below(const struct hold_case *c, const char *target);
/* The same for nodes of disks, which may be below an NVMe subsystem with several controllers. */
bool hold_reaches(const struct hold_case *c, const char *target);

/*
 * HOLD_WAITS: absolute, for the driver's remove() would wait for the user. HOLD_SESSION: it carries
 * the caller's own SSH session.
 */
enum hold_weight { HOLD_PLAIN, HOLD_ABSOLUTE, HOLD_WAITS, HOLD_UNSURE, HOLD_SESSION };

/* Adds one answer, escaped; @check is one of hold_checks. Return: 0, -ENOMEM, -EINVAL. */
int hold_add(struct hold_case *c, const char *check, enum hold_weight weight, const char *object,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* The name in the line "name:password:uid:…" of @users. Return: whether there is one. */
bool hold_user_name(const char *users, uid_t uid, char *buf, size_t size);

/* "Xorg (pid 1203, root)". Reads the users' names first. */
void hold_process_name(struct hold_view *v, const struct host_holder *o, char *buf, size_t size);
/* "open in Xorg (pid 1203, root)", "mapped by …" */
void hold_process_use(struct hold_view *v, const struct host_holder *o, char *buf, size_t size);

/* The sources, in the order in which they answer. Return: 0, -ENOMEM, -errno. */
int hold_block(struct hold_case *c);
/* The same for one disk or partition and those on it. */
int hold_block_named(struct hold_case *c, const char *name);
int hold_share(struct hold_case *c);
int hold_net(struct hold_case *c);
int hold_remote(struct hold_case *c);
int hold_vfio(struct hold_case *c);
int hold_sriov(struct hold_case *c);
int hold_gpu(struct hold_case *c);
int hold_input(struct hold_case *c);
int hold_dma(struct hold_case *c);
int hold_cxl(struct hold_case *c);
int hold_virtio(struct hold_case *c);
int hold_fd(struct hold_case *c);

/* Mounts, layers and images on @d; without what claims it. Return: 0, -ENOMEM, -errno. */
int hold_disk_uses(struct hold_case *c, const struct hold_disk *d, struct hold_uses *ret);

/*
 * Parts of hold_block(): exported nodes below the device that are no disk; exports of unknown
 * disks, which may be @disk. Return: 0, -ENOMEM.
 */
int hold_block_characters(struct hold_case *c);
int hold_block_unknown(struct hold_case *c, const char *disk);

/* The local address of the SSH session that usher runs in; "" for none. */
void hold_ssh_address(struct host *h, char *buf, size_t size);

#endif
