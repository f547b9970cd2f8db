/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_DEVICE_H
#define VMM_VIRTIO_DEVICE_H

#include "base/log.h"
#include "vmm/virtio/queue.h"

#include <stdbool.h>
#include <stdint.h>

struct lock;
struct memory;
struct virtio_device;

/*
 * A virtio device of any type, between its transport (vmm/virtio/pci.h), through which the driver
 * sets it up, and its type (vmm/virtio/rng.h), which serves its queues.
 *
 * How it works. The driver walks the status register: acknowledge, features, queues, go. A queue is
 * served only between 'go' and the reset. The reset takes the queues from the driver at once; the
 * status reads 0 when the type has no chain in work any more, so that the driver knows when its
 * memory is its own again. A chain that is returned after that is dropped (vmm/virtio/queue.h). A
 * single queue is reset in the same way, while the others go on.
 * What no driver may do breaks the device: it stands still and asks for a reset.
 *
 * Context: under `lock`, which is the transport's, unless a call says otherwise.
 * Ref: virtio 1.2, 2.1 to 2.4, 3.1.
 */
#define VIRTIO_QUEUES_MAX 34 /* 16 ports of a console have two each, and two are for control */

/* Ref: linux/virtio_ids.h */
enum virtio_type {
	VIRTIO_TYPE_NET = 1,
	VIRTIO_TYPE_BLK = 2,
	VIRTIO_TYPE_CONSOLE = 3,
	VIRTIO_TYPE_RNG = 4,
	VIRTIO_TYPE_FS = 26,
	VIRTIO_TYPE_BALLOON = 5,
	VIRTIO_TYPE_VSOCK = 19,
};

struct virtio_ops {
	const char *name;
	enum virtio_type type;
	unsigned queue_count;
	bool in_order; /* each queue returns chains in the order in which it took them */
	uint64_t features; /* of the type; those of rings and transport are added */
	uint32_t config_size; /* [bytes] */
	/* Reads the type's configuration. [@off, +@len) lies in it. NULL: it has none. */
	void (*config_read)(struct virtio_device *d, uint32_t off, void *to, uint32_t len);
	/* Writes it, whatever the status: likewise. NULL: the driver can only read it. */
	void (*config_write)(struct virtio_device *d, uint32_t off, const void *from, uint32_t len);
	/*
	 * The driver rang for queue @n. Takes what is there and returns soon: work that may block
	 * is a worker's.
	 */
	void (*rang)(struct virtio_device *d, unsigned n);
	/*
	 * Whether the type itself watches the doorbell of queue @n, an eventfd; else the main
	 * thread does, and calls rang(). NULL: it does not. Context: while the device is made.
	 */
	bool (*watches)(struct virtio_device *d, unsigned n, int eventfd);
	/* If it watches the doorbell of queue 0, that eventfd is the doorbell of all queues. */
	bool one_doorbell;
	/*
	 * There is one MSI-X vector for all queues, and one for changes of the configuration: KVM
	 * merges waiting interrupts of one vector, and those of several cost exits. For a type
	 * whose queues often return chains together.
	 */
	bool one_vector;
	/*
	 * The interrupts of queues may have moved: virtio_signal_fd() may return others. NULL: the
	 * type signals none itself. Context: under the lock.
	 */
	void (*rewired)(struct virtio_device *d);
	/* The queues are gone: gives up what is in work. NULL: nothing is. */
	void (*reset)(struct virtio_device *d);
	/*
	 * Whether no chain of queue @n of before the reset, of the device or of that queue, is in
	 * work. NULL: none ever is.
	 */
	bool (*is_drained)(struct virtio_device *d, unsigned n);
	/*
	 * The guest is over: threads of the type that use eventfds of the transport end, before
	 * these are closed. Context: without a lock. NULL: it has none.
	 */
	void (*halt)(struct virtio_device *d);
	/* Frees the device. Context: without a lock. */
	void (*fini)(struct virtio_device *d);
};

/* What a device asks of its transport, which has one of these as its part. */
struct virtio_transport {
	/* Interrupts the driver: chains of queue @n were returned. */
	void (*interrupt)(struct virtio_transport *t, unsigned n);
	/* The MSI-X vector of that interrupt, or -1: it is none, or goes another way. */
	int (*vector)(struct virtio_transport *t, unsigned n);
	/*
	 * The eventfd of a vector, by which the kernel interrupts the driver, and which stays the
	 * transport's. Several queues may have the same one, as the driver likes. A masked vector
	 * has its eventfd, too: a signal waits there. Return: descriptor, -errno.
	 */
	int (*vector_fd)(struct virtio_transport *t, unsigned vector);
	/* Interrupts the driver: the status or the configuration has changed. */
	void (*changed)(struct virtio_transport *t);
};

/* What a queue has done, over all resets. */
struct virtio_count {
	uint64_t chains; /* that were returned */
	uint64_t interrupts; /* for them */
	uint16_t seen; /* the queue's next_used, as it was counted last */
};

struct virtio_device {
	const struct virtio_ops *ops;
	struct virtio_transport *transport;
	struct lock *lock;
	const char *name; /* of the guest, for messages */
	unsigned queue_count; /* ops->queue_count, unless the type sets it before it is plugged */
	uint64_t offered; /* features */
	uint64_t accepted; /* as the driver wrote them */
	uint8_t status; /* as the driver wrote it, with NEEDS_RESET */
	bool draining; /* reset, and not drained yet */
	uint64_t resetting; /* likewise, queues alone: a bit for each */
	uint8_t config_generation; /* counts the changes of the configuration */
	struct log_guest misdeeds;
	struct virtq queues[VIRTIO_QUEUES_MAX];
	struct virtio_count counts[VIRTIO_QUEUES_MAX];
};

/* Before the transport has it. @memory: the guest's. */
void virtio_init(struct virtio_device *d, const struct virtio_ops *ops, const char *name,
	const struct memory *memory);

uint8_t virtio_status_get(struct virtio_device *d);
void virtio_status_set(struct virtio_device *d, uint8_t status);

/* The driver accepts features: as long as it has not said that it is done. */
void virtio_accept(struct virtio_device *d, uint64_t features);

/* The driver turns queue @n on: after its features, once until a reset. */
void virtio_queue_enable(struct virtio_device *d, unsigned n);

/*
 * The driver takes queue @n back, if it has accepted VIRTIO_F_RING_RESET. Until the latter is
 * false, the device may be at work in its memory, and the queue is not turned on.
 */
void virtio_queue_reset(struct virtio_device *d, unsigned n);
bool virtio_queue_is_resetting(struct virtio_device *d, unsigned n);

/* The driver rang for queue @n, or a doorbell of before the reset comes late. */
void virtio_rang(struct virtio_device *d, unsigned n);

/* Whether the driver has said 'go', and the device is not broken. */
bool virtio_is_going(const struct virtio_device *d);

/*
 * The type's configuration has changed: interrupts the driver. Ref: virtio 1.2, 2.5.1: a driver
 * that finds the same generation before and after has read no mixture.
 */
void virtio_config_changed(struct virtio_device *d);

/* The device cannot go on: it stands still, and interrupts the driver, until the reset. */
void virtio_need_reset(struct virtio_device *d);

/* Power-on. */
void virtio_reset(struct virtio_device *d);

/* After returns to queue @n: interrupts the driver if it wants that; breaks with a broken queue. */
void virtio_returned(struct virtio_device *d, unsigned n);

/*
 * The same, for a type that signals the eventfd of a vector itself (vector_fd() of the transport).
 * Return: the vector to signal, or -1: there is nothing more to do.
 */
int virtio_returned_by(struct virtio_device *d, unsigned n);

/* The eventfd of queue @n's interrupt. Return: -1: it has none, or goes another way. */
int virtio_signal_fd(struct virtio_device *d, unsigned n);

#endif
