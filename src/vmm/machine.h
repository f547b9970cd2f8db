/* SPDX-License-Identifier: MIT */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include "base/log.h"
#include "vfio/ioas.h"
#include "vfio/layout.h"
#include "vmm/attach.h"
#include "vmm/boot.h"
#include "vmm/console.h"
#include "vmm/control.h"
#include "vmm/keeper.h"
#include "vmm/pass/pass.h"
#include "vmm/pci/conf1.h"
#include "vmm/pci/root.h"
#include "vmm/power.h"
#include "vmm/reboot.h"
#include "vmm/virtio/console_ports.h"
#include "vmm/virtio/plug.h"
#include "vmm/vm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A machine is a table: where windows and registers lie. RAM lies as vfio/layout has it. The code
 * that builds one reads the table, so another shape (one that UEFI firmware expects) is another
 * table.
 */
struct machine_map {
	const char *name;
	struct pci_window io;
	struct pci_window mem32;
	struct pci_window ecam;
	uint32_t ioapic;
	uint32_t lapic;
	uint32_t identity; /* a page and three that KVM wants on older Intel processors */
	uint32_t tss;
	struct pci_window tables; /* ACPI, below 1 MiB */
};

#define MACHINE_DEVICES_MAX 31

enum machine_device_kind { MACHINE_PASSED };

struct machine_device {
	enum machine_device_kind kind;
	struct pass_spec passed; /* MACHINE_PASSED */
};

#define MACHINE_VIRTIO_MAX 16

/* The guest to build, as the keeper describes it. Texts stay the caller's. */
struct machine_spec {
	const char *name;
	uint64_t memory; /* [bytes] */
	enum memory_backing backing;
	unsigned cpus;
	struct boot_file kernel;
	struct boot_file initrd; /* may be none */
	const char *cmdline;
	int kvm_fd; /* taken over, as are those below */
	int keeper_fd; /* -1: none; a socket whose end of file ends the guest */
	int calls_fd; /* -1: none; struct keeper's */
	int orders_fd; /* -1: none; struct control's */
	int interrupts_fd; /* -1: none; /proc/interrupts */
	int ioas_fd; /* the I/O address space of lent devices; -1: there will be none */
	bool no_reboot; /* a reboot is the guest's end */
	bool packed_rings; /* virtio devices offer them */
	unsigned slots; /* empty hot-plug slots beside those of the devices */
	enum console_kind console;
	size_t port_count;
	struct virtio_port_spec ports[CONSOLE_PORTS_MAX];
	size_t virtio_count;
	struct virtio_spec virtio[MACHINE_VIRTIO_MAX];
	size_t device_count; /* lent ones: the caller fills this in before machine_equip() */
	struct machine_device devices[MACHINE_DEVICES_MAX];
};

struct machine {
	struct vm vm;
	const struct machine_map *map;
	const struct machine_spec *spec;
	struct pci_windows windows;
	struct pci_window ecam; /* of the buses in use */
	struct vfio_iommu iommu; /* of the passed-through devices, if there are any */
	struct layout layout; /* of RAM, and of BARs above it */
	struct outbox messages; /* what is logged */
	struct console console;
	struct virtio_ports *ports; /* NULL: there are none */
	struct power power;
	struct pci_conf1 conf1;
	struct keeper keeper;
	struct loop_source keeper_watch;
	struct attach attach; /* devices for the running guest */
	struct control control; /* what the keeper asks of it */
	struct loop_source signals;
	struct reboots reboots;
	struct log_guest unplaced; /* it places BARs at each reboot */
	struct log_guest rebooted; /* one that does nothing else must not fill the log */
};

/* The hardware-reduced machine: a kernel is its firmware's successor from the first instruction. */
extern const struct machine_map machine_reduced;

/*
 * Builds what needs no lent device and no other program; what is half made is the caller's to take
 * down with machine_fini(). SIGTERM, SIGINT, SIGQUIT and SIGHUP are blocked, and stop the guest
 * when it runs. Return: 0, -errno with a sentence.
 */
int machine_init(struct machine *m, const struct machine_map *map, const struct machine_spec *spec,
	struct err *e);

/* Builds the rest, with the devices that @spec has now: ready to run. Return: likewise. */
int machine_equip(struct machine *m, struct err *e);

/*
 * Runs the guest to its end, over its reboots; vm_ended() and vm.why have the reason.
 * Return: 0, -errno.
 */
int machine_run(struct machine *m, struct err *e);

/*
 * In the reverse order of both. A device whose worker hangs in the kernel is left to the
 * end of the process.
 */
void machine_fini(struct machine *m);

#endif
