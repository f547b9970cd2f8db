/* SPDX-License-Identifier: MIT */
#ifndef TEST_GUEST_WILD_H
#define TEST_GUEST_WILD_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A driver of virtio devices that does what no driver may.
 *
 * How it works. One operation is an access to a register, a doorbell, a change of ring memory, or a
 * chain: of what its device expects, or with one thing wrong. Now and then the driver resets a
 * device and sets it up as it should be, because a device that is broken hears nothing. What
 * happens is counted by kind, so that a run shows which handlers it has met.
 *
 * It needs neither a C library nor an operating system: it runs in a guest of its own
 * (test/guest/virtio.c), and in one process with the devices (test/unit/vmm/virtio_wild.c).
 *
 * Devices write to its memory only where it lets them: to [area, area + WILD_AREA), or to what is
 * no RAM at all.
 */
#define WILD_AREA (2U << 20) /* [bytes] of guest memory */
#define WILD_DEVICES 8
#define WILD_QUEUES 4 /* of a device, that are used */

/* What can happen, and its name. */
#define WILD_KINDS(X)                                             \
	X(COMMON_READ, "common register read")                    \
	X(COMMON_WRITE, "common register written")                \
	X(ISR, "ISR status read")                                 \
	X(CONFIG_READ, "device configuration read")               \
	X(CONFIG_WRITE, "device configuration written")           \
	X(BELL, "doorbell")                                       \
	X(BELL_NONE, "doorbell of no queue")                      \
	X(TABLE, "MSI-X table or pending bits")                   \
	X(HOLE, "rest of the BAR")                                \
	X(WINDOW, "window in configuration space")                \
	X(SPACE, "configuration space written")                   \
	X(RESET, "reset by the status register")                  \
	X(QUEUE_RESET, "reset of a queue")                        \
	X(SET_UP, "set up as it should be")                       \
	X(REFUSED, "features refused")                            \
	X(BAD_QUEUE, "queue that cannot be")                      \
	X(BROKEN, "device asked for a reset")                     \
	X(CHAIN, "good chain")                                    \
	X(INDIRECT, "good indirect chain")                        \
	X(LOOP, "chain with a loop")                              \
	X(BEYOND, "descriptor beyond its table")                  \
	X(BACKWARD, "part to read after one to write")            \
	X(OUTSIDE, "part outside of RAM")                         \
	X(WRAP, "part around the end of addresses")               \
	X(OVERLAP, "part over the rings")                         \
	X(EMPTY, "empty part")                                    \
	X(HUGE_PART, "huge part")                                 \
	X(NESTED, "indirect table in another one, or of no size") \
	X(FLAGS, "random flags")                                  \
	X(PACKED, "chain in a packed ring")                       \
	X(PACKED_USED, "chain came back in a packed ring")        \
	X(JUMP, "available index jumps")                          \
	X(TWICE, "chain listed twice")                            \
	X(CHANGED, "chain changed after the doorbell")            \
	X(USED, "chain came back")                                \
	X(OK, "status OK")                                        \
	X(IOERR, "status IOERR")                                  \
	X(UNSUPP, "status UNSUPP")

#define WILD_ENUM(name, text) WILD_##name,
enum wild_kind { WILD_KINDS(WILD_ENUM) WILD_KIND_COUNT };
#undef WILD_ENUM
extern const char *const wild_names[WILD_KIND_COUNT];

#define WILD_SPREADS 256
#define WILD_COMMON_SIZE 64 /* [bytes] of the common registers: more than there are */

struct wild_queue {
	uint64_t at; /* descriptors; the other two rings are a page further each */
	uint16_t size, listed;
	uint16_t used; /* index as it was last seen */
	bool packed; /* then the next ones count entries over all laps: */
	uint32_t place, used_place;
	uint8_t spreads[WILD_SPREADS]; /* of chains, by their numbers */
};

struct wild_device {
	uint32_t function; /* bus, device, function, as in an ECAM address */
	uint16_t type; /* virtio's number */
	uint64_t bar;
	uint32_t places[6]; /* in BAR 0, by type of capability */
	uint32_t step; /* [bytes] from a doorbell to the next */
	unsigned window; /* the capability PCI_CFG */
	unsigned msix; /* that capability */
	unsigned queue_count;
	struct wild_queue queues[WILD_QUEUES];
};

struct wild {
	/* Registers and configuration space, by 1, 2, 4 or 8 bytes. */
	void (*put)(uint64_t at, unsigned size, uint64_t value);
	uint64_t (*get)(uint64_t at, unsigned size);
	void (*space_put)(uint32_t function, unsigned off, unsigned size, uint32_t value);
	uint32_t (*space_get)(uint32_t function, unsigned off, unsigned size);
	void (*relax)(void); /* lets the devices work */
	volatile uint8_t *memory; /* what is at guest address `area` */
	uint64_t area;
	uint64_t ram_end;
	uint64_t state; /* of the random numbers; not 0 */
	unsigned count;
	struct wild_device devices[WILD_DEVICES];
	const char *fault; /* what a device did that it must not */
	uint64_t hits[WILD_KIND_COUNT];
	uint64_t reads[WILD_COMMON_SIZE],
		writes[WILD_COMMON_SIZE]; /* of common registers, by offset */
};

/* Adds the function there if it is a virtio device. */
void wild_find(struct wild *w, uint32_t function);

/* One operation. Sets `fault` if a device hangs. */
void wild_step(struct wild *w);

/* Writes to ring memory, from another thread: @state is that thread's. */
void wild_disturb(const struct wild *w, uint64_t *state);

/* All devices still work: each is set up, and a disk reads back what was written to it. */
void wild_prove(struct wild *w);

/* Kinds that did not happen, and common registers that were not met. */
unsigned wild_missing(const struct wild *w, void (*tell)(const char *name, uint64_t count));

#endif
