/* SPDX-License-Identifier: MIT */
#ifndef WIRE_MACHINE_H
#define WIRE_MACHINE_H

#include "wire/call.h"
#include "wire/message.h"

struct err;

#define WIRE_DEVICES_MAX 31
#define WIRE_VIRTIO_MAX 16
#define WIRE_CPUS_MAX 240
#define WIRE_NAME_MAX 64 /* with the NUL, and so is the next */
#define WIRE_CMDLINE_MAX 4096
#define WIRE_REASON_MAX 512

/* How a device is handed over. Values of other back ends, such as iommufd's, are added here. */
enum wire_device_kind {
	WIRE_DEVICE_VFIO = 1, /* a descriptor of a VFIO device that is attached to @ioas */
};

enum wire_rom { WIRE_ROM_OWN, WIRE_ROM_OFF, WIRE_ROM_FILE };
enum wire_backing { WIRE_BACKING_PRIVATE, WIRE_BACKING_SHARED, WIRE_BACKING_POOL };

struct wire_device {
	uint32_t kind; /* enum wire_device_kind */
	struct wire_address address; /* on the host */
	uint32_t ioas; /* index: I/O address space; devices may share one */
	uint32_t device; /* index */
	int32_t group; /* number, as in /dev/vfio/N */
	uint32_t rom; /* enum wire_rom */
	uint32_t rom_file; /* index, with WIRE_ROM_FILE */
	uint32_t trace; /* bit N: report each access of the guest to BAR N */
};

enum wire_flag {
	WIRE_NO_REBOOT = 1 << 0, /* a reboot ends the guest */
	WIRE_TIMING = 1 << 1, /* print at the end where the time went */
	WIRE_STATS = 1 << 2, /* print exits, interrupts and mapped memory at the end */
	WIRE_PEERS = 1 << 3, /* devices may reach each other's BARs */
	WIRE_NO_SANDBOX = 1 << 4, /* usher-vmm keeps the keeper's rights */
	WIRE_OWN_PIDS = 1 << 5, /* the keeper starts usher-vmm in a PID namespace, if it may */
	WIRE_PACKED_RINGS = 1 << 6, /* virtio devices offer packed rings */
};

/* Ref: linux/virtio_ids.h */
enum wire_virtio_type {
	WIRE_VIRTIO_NET = 1,
	WIRE_VIRTIO_BLK = 2,
	WIRE_VIRTIO_RNG = 4,
	WIRE_VIRTIO_BALLOON = 5, /* in a guest without lent devices */
	WIRE_VIRTIO_VSOCK = 19,
	WIRE_VIRTIO_FS = 26, /* with a back end alone */
};

#define WIRE_SERIAL_MAX 20
#define WIRE_QUEUES_MAX 16

enum wire_disk_flag {
	WIRE_DISK_READONLY = 1 << 0, /* its descriptor is open for reading */
	WIRE_DISK_DIRECT = 1 << 1, /* its descriptor by-passes the page cache */
	WIRE_DISK_POLL = 1 << 2, /* look for requests without sleep */
};

struct wire_disk {
	uint64_t size; /* [bytes], a multiple of @logical */
	uint32_t logical; /* [bytes] the least that can be read or written; a power of two */
	uint32_t physical; /* [bytes] what is best read or written at once, likewise */
	uint16_t flags; /* enum wire_disk_flag */
	uint16_t queues; /* 1 to WIRE_QUEUES_MAX */
	char serial[WIRE_SERIAL_MAX]; /* without a NUL if it has this length */
};

/* How a frame goes through the descriptor of a network card. */
enum wire_net_line {
	WIRE_NET_TAP = 1, /* a tap, with a header of 12 bytes before each frame */
	WIRE_NET_STREAM, /* a stream socket; each frame after its length: 4 bytes, big-endian */
	WIRE_NET_BACKEND, /* none: a back end moves them */
};

enum wire_net_flag {
	WIRE_NET_NO_OFFLOAD = 1 << 0, /* the guest computes checksums and cuts up TCP itself */
	WIRE_NET_REACHES_HOST = 1 << 1, /* of a stream: also the servers of the host's loopback */
};

#define WIRE_NET_PAIRS_MAX 8 /* of queues */

struct wire_net_pair {
	uint32_t tap; /* index: another queue of the tap */
	uint32_t vhost; /* index: /dev/vhost-net */
};

struct wire_net {
	uint32_t line; /* enum wire_net_line */
	uint8_t mac[6];
	uint16_t mtu; /* [bytes] that usher tells the guest; 0: nothing */
	uint32_t flags; /* enum wire_net_flag */
	uint32_t vhost; /* index: /dev/vhost-net, or none */
	uint32_t more_count; /* pairs of queues beside the first one; 0 without vhost */
	struct wire_net_pair more[WIRE_NET_PAIRS_MAX - 1];
};

/* What standard input and output are for the guest. */
enum wire_console { WIRE_CONSOLE_SERIAL, WIRE_CONSOLE_VIRTIO, WIRE_CONSOLE_NONE };

#define WIRE_PORTS_MAX 16

enum wire_port_kind {
	WIRE_PORT_NONE, /* only viewers, by WIRE_ORDER_CONSOLE */
	WIRE_PORT_SOCKET, /* @fd listens, and gives streams */
	WIRE_PORT_PTY, /* @fd: a master that does not block; @door: inotify: the slave is opened */
	WIRE_PORT_FILE, /* @fd: open for writing */
	WIRE_PORT_STDIO, /* standard input and output */
};

/* A port of a virtio console. */
struct wire_port {
	char name[WIRE_NAME_MAX];
	uint32_t kind; /* enum wire_port_kind */
	uint32_t fd; /* index, or none */
	uint32_t door; /* index, or none */
	uint32_t pad;
	uint64_t limit; /* [bytes] of a file, else 0 */
};

#define WIRE_TAG_MAX 36
#define WIRE_BACKEND_NAME_MAX 128 /* with the NUL */

/* A program that serves the queues of a virtio device: a vhost-user back end. */
struct wire_backend {
	uint32_t queues; /* for requests, up to WIRE_QUEUES_MAX; of a card 1; 0: no back end */
	char tag[WIRE_TAG_MAX]; /* of WIRE_VIRTIO_FS, else zero; a whole one has no NUL */
	char name[WIRE_BACKEND_NAME_MAX]; /* for messages: what it serves */
};

/* A virtio device. usher-vmm serves it, unless it has a back end. */
struct wire_virtio {
	uint32_t type; /* enum wire_virtio_type */
	/* index: what it serves, none for an entropy device; a stream socket to the back end */
	uint32_t fd;
	struct wire_disk disk; /* of WIRE_VIRTIO_BLK without a back end, else zero */
	struct wire_net net; /* of WIRE_VIRTIO_NET, else zero */
	struct wire_backend backend; /* of a device that has one, else zero */
	/*
	 * Of WIRE_VIRTIO_VSOCK: the guest's address, else 0. @fd is /dev/vhost-vsock, which has it,
	 * or listens, if @vsock_listens.
	 */
	uint64_t cid;
	uint32_t vsock_listens; /* 1: usher-vmm serves the device itself, and @fd is its door */
	uint32_t pad;
};

/*
 * WIRE_MACHINE is a guest without its lent devices, which the kernel resets as they are opened:
 * usher-vmm prepares the rest meanwhile. WIRE_DEVICES follows when all that serves the guest is
 * ready, and has the devices, if there are any. WIRE_ATTACH is for a guest that runs: the functions
 * of one card, which goes into an empty slot; the answer is a struct wire_attached. In both, all
 * before @ready_ns but the header is zero, or WIRE_FD_NONE.
 */
struct wire_machine {
	struct wire_header header;
	char name[WIRE_NAME_MAX];
	char cmdline[WIRE_CMDLINE_MAX]; /* of the guest's kernel */
	uint64_t memory; /* [bytes] */
	uint32_t backing; /* enum wire_backing */
	uint32_t cpus;
	uint32_t slots; /* empty hot-plug slots, for WIRE_ATTACH */
	uint32_t flags; /* enum wire_flag */
	uint32_t uid; /* of a user for usher-vmm alone; 0: it stays the keeper's */
	uint32_t kvm; /* index: /dev/kvm */
	uint32_t kernel; /* index: an ELF file with a PVH entry */
	uint32_t initrd; /* index, or none */
	uint32_t interrupts; /* index: /proc/interrupts, or none */
	uint32_t stats; /* index: a file to write the statistics to as JSON, or none */
	uint32_t calls; /* index: the socket for calls to the keeper, or none */
	uint32_t orders; /* index: the socket for the keeper's orders, or none */
	uint32_t refused; /* index: the page of wire/refused.h, or none */
	uint32_t console; /* enum wire_console */
	uint32_t port_count;
	struct wire_port ports[WIRE_PORTS_MAX];
	uint32_t virtio_count;
	struct wire_virtio virtio[WIRE_VIRTIO_MAX];
	uint32_t lent_count; /* of devices in WIRE_DEVICES */
	uint32_t lent_ioas; /* index: the I/O address space of these, or none */
	uint64_t ready_ns; /* of WIRE_DEVICES: since when it waits, by CLOCK_MONOTONIC; else 0 */
	uint32_t device_count;
	struct wire_device devices[WIRE_DEVICES_MAX];
};

/* The answer to WIRE_ATTACH, with its id. usher-vmm has closed all descriptors of a failed one. */
struct wire_attached {
	struct wire_header header; /* kind WIRE_ATTACHED */
	int32_t result; /* 0; -errno, then @reason and perhaps @hint are sentences */
	char reason[WIRE_REASON_MAX];
	char hint[WIRE_REASON_MAX];
};

/* Nothing in it yet: all indices are WIRE_FD_NONE. */
void wire_machine_init(struct wire_machine *m, enum wire_kind kind);

/*
 * Whether all of @m is in bounds, and refers to each of the @fd_count descriptors exactly once (to
 * an I/O address space as often as it likes). Return: 0, -EPROTO with a sentence.
 */
int wire_machine_check(const struct wire_machine *m, size_t fd_count, struct err *e);

/* Return: 0, -EPROTO the message is no answer to an attachment. */
int wire_attached_check(const struct wire_attached *a);

#endif
