/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_SPEC_H
#define ENGINE_SPEC_H

#include "engine/disk.h"
#include "engine/limit.h"
#include "engine/port.h"
#include "engine/share.h"
#include "pci/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct guest_files;

#define SPEC_NAME_MAX 48 /* a guest's name becomes a file name */
#define SPEC_DEVICES_MAX 31 /* usher-vmm has a root port for each */
#define SPEC_VIRTIO_MAX 16
#define SPEC_PORTS_MAX 16
#define SPEC_CPUS_MAX 240 /* 8-bit APIC ids: usher-vmm has no x2APIC */
#define SPEC_CMDLINE_MAX 2047 /* [bytes] of an x86 kernel: COMMAND_LINE_SIZE, less the NUL */
#define SPEC_ENV_MAX 32
#define SPEC_ROM_MAX 256 /* of a path, NUL included */

/*
 * A description of a guest that is the same for every engine. Texts belong to the caller (the
 * command line) and outlive the spec.
 */
struct guest_device {
	struct pci_address address;
	uint16_t vendor; /* 0: not checked */
	uint16_t device;
	bool rom_off; /* hide the ROM from the guest */
	char rom[SPEC_ROM_MAX]; /* path of a file in place of the device's ROM; "": its own */
	unsigned trace; /* bit N: print each access of the guest to BAR N */
	bool handed; /* by descriptors that the caller has open: */
	int fd; /* the device's, or its group's */
	int container;
};

/* Virtio devices. Ref: linux/virtio_ids.h */
enum guest_virtio_type {
	GUEST_VIRTIO_NET = 1,
	GUEST_VIRTIO_BLK = 2,
	GUEST_VIRTIO_RNG = 4,
	GUEST_VIRTIO_BALLOON = 5,
	GUEST_VIRTIO_VSOCK = 19,
	GUEST_VIRTIO_FS = 26,
};

#define SPEC_TAP_MAX 16 /* of an interface's name, NUL included: IFNAMSIZ */
#define SPEC_SOCKET_MAX 108 /* of its path, NUL included: struct sockaddr_un */
#define SPEC_FORWARDS_MAX 16
#define SPEC_QUEUES_MAX 8 /* pairs of queues of a network card */
#define SPEC_PAIRS_MAX 24 /* of all cards: each has two descriptors in one message */

/* A port of the host that leads to one of the guest. */
struct guest_forward {
	bool udp;
	uint16_t host;
	uint16_t guest;
};

struct guest_net {
	char tap[SPEC_TAP_MAX]; /* or macvtap of the host; "": another end */
	char backend[SPEC_SOCKET_MAX]; /* path of a back end's socket; "": a user-mode network */
	bool has_mac;
	uint8_t mac[6]; /* without one, it follows from the guest's name */
	uint16_t mtu; /* [bytes] that usher tells the guest; 0: nothing */
	unsigned queues; /* pairs of queues, [1, SPEC_QUEUES_MAX] */
	bool no_vhost; /* usher-vmm moves its frames, even where the kernel could */
	bool no_offload; /* the guest computes checksums and cuts up TCP itself */
	bool host_loopback; /* the guest reaches the host's loopback by its gateway's address */
	bool is_default; /* nobody asked for it: without it, the guest runs as well */
	size_t forward_count;
	struct guest_forward forwards[SPEC_FORWARDS_MAX];
};

struct guest_virtio {
	enum guest_virtio_type type;
	struct guest_disk disk; /* of GUEST_VIRTIO_BLK */
	struct guest_net net; /* of GUEST_VIRTIO_NET */
	struct guest_share share; /* of GUEST_VIRTIO_FS */
	uint64_t cid; /* of GUEST_VIRTIO_VSOCK: the guest's address */
};

/* What a guest boots by, if not by its kernel alone. */
enum guest_firmware {
	GUEST_FIRMWARE_NONE,
	GUEST_FIRMWARE_BIOS,
	GUEST_FIRMWARE_UEFI,
	GUEST_FIRMWARE_UEFI_SECURE, /* with Secure Boot, and the keys of Microsoft */
};

/* Where a person sees the guest's screen. */
enum guest_display_kind { GUEST_DISPLAY_NONE, GUEST_DISPLAY_VNC, GUEST_DISPLAY_SPICE };

struct guest_display {
	enum guest_display_kind kind;
};

#define SPEC_USB_MAX 8

/* A device at the host's USB: by its ids, or by its place. */
struct guest_usb {
	uint16_t vendor, product; /* 0: by its place */
	char place[32]; /* "BUS-PORT[.PORT]…", as sysfs has it */
};

/* Of a device that a guest gets by default: as engine/defaults.h has it, or as the user says. */
enum guest_wish { GUEST_WISH_DEFAULT, GUEST_WISH_ON, GUEST_WISH_OFF };

/* The form of the rings of usher-vmm's virtio devices: see vmm/virtio/queue.h. */
enum guest_rings { GUEST_RINGS_SPLIT, GUEST_RINGS_PACKED };

struct guest_spec {
	const char *name;
	const char *kernel; /* path: bzImage or ELF vmlinux; NULL: the engine's own boot */
	const char *kernel_from; /* path of a disk that brings a kernel; NULL: @kernel */
	const char *initrd; /* path, NULL: none */
	const char *cmdline; /* NULL: the engine's default; with @kernel_from: more words */
	uint64_t memory; /* [bytes], whole MiB */
	unsigned cpus; /* [1, SPEC_CPUS_MAX] */
	bool has_memory; /* the user set it; not a default */
	bool has_cpus;
	struct limit limit; /* of the host's processors and memory */
	bool hugepages; /* memory from the host's pool of huge pages */
	bool peers; /* its devices may reach each other's BARs */
	bool no_reboot; /* a reboot ends the guest */
	bool sleep_release; /* it ends before the host sleeps, which would have to wait for it */
	bool no_sandbox; /* usher-vmm keeps our rights, for a debugger */
	bool timing; /* print start-up phases and exits at the end */
	bool stats; /* print exits, interrupts and mapped memory at the end */
	const char *stats_file; /* the same as JSON into this file; NULL: not */
	enum guest_console console;
	bool has_console; /* the user chose it; not a default */
	size_t port_count;
	struct guest_port ports[SPEC_PORTS_MAX];
	bool no_defaults; /* it gets what was asked for, and nothing else */
	enum guest_wish rng;
	enum guest_rings rings;
	bool balloon; /* the host gets memory back that the guest does not use */
	bool vsock; /* sockets to the host */
	uint64_t vsock_cid; /* the guest's address; 0: it follows from the name */
	bool vsock_listens; /* unix sockets are the host's end, in place of the kernel's */
	char vsock_path[SPEC_SOCKET_MAX]; /* where; "": in the guest's folder */
	bool no_net; /* `--net none`: no network by default, either */
	const char *net_missing; /* why there is none by default; NULL: there is, or nobody asked */
	enum guest_firmware firmware;
	struct guest_display display;
	bool tpm; /* a TPM 2.0 of its own */
	size_t usb_count;
	struct guest_usb usb[SPEC_USB_MAX];
	size_t virtio_count;
	struct guest_virtio virtio[SPEC_VIRTIO_MAX];
	size_t device_count;
	struct guest_device devices[SPEC_DEVICES_MAX];
	char *const *engine_args; /* after "--", NULL-terminated; NULL: none */
	struct guest_files *files; /* the engine's check opens them; NULL: opened when needed */
	const char *program; /* the file that engine_args[0] names (engine_exec); NULL: by PATH */
	size_t env_count;
	const char *env[SPEC_ENV_MAX]; /* more of its environment: "NAME=value", or "NAME": ours */
	uid_t uid; /* user that runs the program (engine_exec) */
	gid_t gid;
	bool own_user; /* it gets a user of its own instead, and @uid is only like it */
};

/* Defaults of the command line. */
#define SPEC_DEFAULT_MEMORY MIB(512)
#define SPEC_DEFAULT_NAME "guest"

/*
 * "ADDRESS[,id=VVVV:DDDD][,rom=FILE|off][,fd=N,container=N]" as --device takes it, appended to @s.
 * Return: 0, -EINVAL (malformed, unknown key), -EEXIST (twice), -E2BIG.
 */
int spec_add_device(struct guest_spec *s, const char *text, struct err *e);

/* Whether the keys of such a text are good, whatever stands for the address. Return: 0, -EINVAL. */
int spec_check_device_keys(const char *text, struct err *e);

/* Whether the guest has a disk that is none of the lent devices. */
bool spec_has_disk(const struct guest_spec *s);

/* Whether the caller has opened the guest's devices: all, or none (spec_check()). */
bool spec_is_handed(const struct guest_spec *s);
/* In another process than the keeper. */
void spec_close_handed(const struct guest_spec *s);

/* Return: static, as "rng". */
const char *spec_virtio_name(enum guest_virtio_type type);

/* Appended to @s. Return: 0, -E2BIG. */
int spec_add_virtio(struct guest_spec *s, const struct guest_virtio *v, struct err *e);

/* A folder as --share takes it, appended to @s. Return: 0, -EINVAL, -E2BIG. */
int spec_add_share(struct guest_spec *s, const char *text, struct err *e);

/* A port as --port takes it, appended to @s. Return: 0, -EINVAL, -EEXIST (twice), -E2BIG. */
int spec_add_port(struct guest_spec *s, const char *text, struct err *e);

/* Whether other programs serve devices of @s, in the guest's memory. */
bool spec_has_backend(const struct guest_spec *s);

/* Whether it has a shared folder. */
bool spec_has_share(const struct guest_spec *s);

/* Return: how many virtio devices @s has: those of the list, the console, and all ports in one. */
size_t spec_virtio_count(const struct guest_spec *s);

/* Whether one more device finds a slot in the guest. */
bool spec_slots_left(const struct guest_spec *s);

/*
 * "NAME=value" or "NAME" as --env takes it, appended to @s.
 * Return: 0, -EINVAL (no name), -E2BIG.
 */
int spec_add_env(struct guest_spec *s, const char *text, struct err *e);

/*
 * "ADDRESS:N" as --trace-bar takes it, of a device that @s already has.
 * Return: 0, -EINVAL.
 */
int spec_add_trace(struct guest_spec *s, const char *text, struct err *e);

/*
 * Opens a regular file for reading; @option: that named it. Does not wait for the writer of a FIFO.
 * Return: descriptor, -EINVAL.
 */
int spec_open_file(const char *option, const char *path, struct err *e);

/* Whether @name can be a guest's: it becomes a file's name, and a word of command lines. */
bool spec_is_name(const char *name);
#define SPEC_NAME_HINT "1 to %d of letters, digits, '-', '_' and '.', not starting with '.' or '-'"

/* Checks the description itself: name, memory, cpus, slots, and its files. Return: 0, -EINVAL. */
int spec_check(const struct guest_spec *s, struct err *e);

#endif
