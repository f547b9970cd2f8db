/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_BIND_STAGE_H
#define TEST_UNIT_BIND_STAGE_H

/*
 * A model of the kernel's PCI core that can bind and unbind. Its devices are in memory that a
 * forked child shares, so a test can kill a transaction anywhere and check what is left. Paths
 * below the state folder and /proc are real.
 */

#include "bind/bind.h"
#include "bind/kernel_ops.h"
#include "host/host.h"

#define STAGE_DEVICES 8
#define STAGE_FRAMEBUFFER "efi-framebuffer.0"

struct stage_device {
	struct pci_device d;
	char native[PCI_NAME_MAX]; /* the driver whose table has it */
	char control[16]; /* power/control */
	unsigned bar_mib; /* size of its BAR 1; 0: it has none */
	unsigned total; /* virtual functions it may have; 0: no SR-IOV */
	unsigned numvfs;
	bool autoprobe;
};

struct stage {
	struct stage_device devices[STAGE_DEVICES];
	size_t count;
	char boot[40];
	int writes; /* so far */
	int fail_at; /* this write fails with -EIO; 0: none */
	int hang_at; /* this write times out */
	int gone_at; /* the process that writes is killed before this one */
	int under_way; /* writes without an answer so far */
	int most; /* the most of them at one time */
	bool lies; /* `bind` succeeds and has no effect */
	bool no_node;
	bool no_vfio; /* module not loaded */
	unsigned hosted; /* virtual functions that a host driver has probed */
	bool framebuffer; /* efi-framebuffer.0 exists, in BAR 1 of the second device */
	bool framebuffer_on; /* and bound */
	bool no_room; /* more than two virtual functions: -ENOMEM */
	bool net; /* the second device is a network card, eth0 */
	struct host_vf vf[4]; /* the settings that eth0 keeps for its virtual functions */
	unsigned vf_changes; /* how many settings were changed */
	int vf_refuses; /* this setting is refused; -1: none */
	bool vf_silent; /* eth0 does not show these settings */
	struct bind_access node; /* owner of the group's node */
	char rule[2048]; /* udev's */
	bool no_rule; /* the disk is full */
	bool held; /* the group's node is open in process 4711 */
	bool hidden; /* and the kernel says so, but no process shows it */
	bool mapped; /* BAR 0 of the second device is in the memory of process 4712 */
	unsigned looks; /* for holders, so far: a bit for each enum host_look */
	bool disk; /* the second device has a disk, sda */
	bool disk_mounted; /* the disk, between usher's look and its claim */
	bool disk_busy;
	int claims; /* of the disk, that usher has now */
	int claims_at_unbind; /* that it had when it wrote the unbind of the device */
	int claims_at_hang; /* and when a write had timed out */
};

extern struct stage *stage; /* shared with children */
/*
 * In memory, because the journal is synced at every step, thousands of times in a test of crashes.
 */
extern char stage_state[sizeof("/dev/shm/usher-bind-XXXXXX")];
extern struct host stage_host;

/* drivers/pci/iov.c, sriov_numvfs_store(). */
int stage_numvfs(struct stage_device *s, unsigned count);

void stage_add(uint8_t fn, const char *driver, const char *native, const char *override);

/* Group 7: a bridge, a device on e1000, one on a driver by override, one on none. */
struct bind_env stage_set(void);

#endif
