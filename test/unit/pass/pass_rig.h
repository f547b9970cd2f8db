/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_PASS_RIG_H
#define TEST_UNIT_PASS_RIG_H

#include "pass/vfio_model.h"
#include "vmm/pass/device.h"
#include "vmm/vm.h"

/*
 * A guest without KVM around one passed-through model: vmm/memory and vmm/bus are real, interrupts
 * are those of this rig. Everything that happens is written to the model's log:
 *
 *	+GPA:SIZE -GPA       pages mapped into the guest, taken away
 *	cfgOFF=VALUE         a write that reached the device
 *	setK:FIRST+COUNT offK   vectors of kind K given to VFIO, the kind turned off
 *	ask pull             the attention button pressed, the card taken out
 *	commit attachGSI detachGSI   routes set; an eventfd given to KVM, taken back
 */
struct rig {
	struct vm vm;
	struct vfio_model model;
	struct vfio_model second; /* of rig_add() */
	struct pass_dev *dev;
	struct memory_listener listener;
	int map_error; /* result of the listener's maps; 0: success */
	int plug_error; /* what pci_plug() answers */
	void (*during_plug)(void);
	unsigned commits;
	unsigned changes; /* of guest memory, each of one or more ranges */
	unsigned attached; /* eventfds attached to "KVM" */
	bool refuse_attach;
	bool answers; /* the guest answers the attention button */
	bool no_gsi; /* all interrupt numbers are in use */
	bool was_dead; /* the model was dead, and has missed writes */
	bool shared; /* several devices are on the one model */
};

extern struct rig rig; /* a test is a process of its own */

/*
 * Workers have no threads: a processor runs the jobs that it waits for. For fuzzers, and tests of
 * many rounds. Set before rig_prepare().
 */
extern bool rig_single_thread;

/* The two halves of rig_start(): make a device, and learn it. Return of both: 0, -errno. */
void rig_prepare(const char *fixtures, const char *name);
int rig_learn(struct err *e);

/* What a vCPU does when it finds a mapped page gone: pass_fault() under its lock. */
bool rig_fault(void);

/* Waits until the workers of the devices are idle. */
void rig_settle(void);
/* Serves all events that the loop has, and those that follow from them. */
void rig_serve(void);
/* A reset as of a bus above it; to its end. */
void rig_reset_at_once(struct pass_dev *d);
void rig_reset(struct pass_dev *d);
/* What a root port calls: the function is quiet; its card leaves. */
void rig_quiet(struct pass_dev *d);
void rig_eject(struct pass_dev *d);

void rig_start(const char *fixtures, const char *name); /* learned, as a guest finds it */
/* Adds a second device on a model of its own; both are in rig.vm.pass. rig_stop() removes both. */
struct pass_dev *rig_add(const char *fixtures, const char *name);
void rig_stop(void);
/* The end of rig_stop(): the devices are finished. */
void rig_end(void);
void rig_forget(void); /* empties the log */
const char *rig_log(void);

/*
 * Asserts what must hold between any two operations, for rig.dev and all devices of rig.vm.pass:
 * a piece of a BAR is in memory or on a bus if and only if its state says so, nothing overlaps, a
 * piece waits only while its place is taken, and VFIO serves the pages of what is mapped. Each
 * rig_write(), rig_log(), rig_forget() and rig_stop() calls it.
 */
void rig_check(void);

/* Whether a mapped piece of @d is at @addr. */
bool rig_maps(const struct pass_dev *d, uint64_t addr);

/* Accesses as a processor of the guest makes them, to configuration space of @d and to MMIO. */
uint32_t rig_config_read(struct pass_dev *d, unsigned off, unsigned size);
void rig_config_write(struct pass_dev *d, unsigned off, unsigned size, uint32_t value);
uint64_t rig_mmio_read(uint64_t addr, unsigned size);
void rig_mmio_write(uint64_t addr, unsigned size, uint64_t value);

/* The same of rig.dev, with a check after a write. */
uint32_t rig_read(unsigned off, unsigned size);
void rig_write(unsigned off, unsigned size, uint32_t value);
/* The same without waiting for workers, and so without rig_check(). */
void rig_write_at_once(unsigned off, unsigned size, uint32_t value);

/* The value of a BAR's register after all-ones were written to it, as a guest sizes it. */
uint32_t rig_size(unsigned reg);

#endif
