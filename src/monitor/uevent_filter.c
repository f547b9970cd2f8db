/* SPDX-License-Identifier: MIT */
#include "monitor/uevent_filter.h"

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * How it works
 *
 * Invariant: what the filter does not understand, it lets through.
 *
 * A message begins with "ACTION@PATH", and a NUL. A PCI function's path consists of the bus of a
 * host bridge and of addresses, all of one length:
 *
 *	/devices/pci0000:00/0000:00:01.0/0000:01:00.0
 *
 * The filter steps over them. At the end of the path the event passes. Any other component is a
 * device on top of a function, and the event is dropped, unless a host bridge is there ("/pci…", as
 * of Intel's VMD). Paths below /devices/virtual are dropped; all other ones pass.
 *
 * A classic BPF program has no loops, and knows offsets from X, here of the next component. A load
 * from behind the end of the message drops it.
 */
#define DEPTH_MAX 12 /* of bridges */
#define CODE_MAX 192 /* for that depth; a conditional jump goes 255 instructions far */
#define BUS_LENGTH 19 /* "/devices/pci0000:00" */
#define ADDRESS_LENGTH 13 /* "/0000:00:01.0" */

/* Where a jump leads. */
enum { NEXT = 0, TO_OTHER = 253, TO_PASS = 254, TO_DROP = 255 };

struct code {
	struct sock_filter list[CODE_MAX];
	uint16_t count;
};

static void code_add(struct code *c, uint16_t what, uint32_t value, uint8_t yes, uint8_t no)
{
	assert(c->count < CODE_MAX);
	c->list[c->count++] = (struct sock_filter){what, yes, no, value};
}

static uint32_t word_of(const char *text)
{
	return (uint32_t)text[0] << 24 | (uint32_t)text[1] << 16 | (uint32_t)text[2] << 8 |
	       (uint32_t)text[3];
}

/* Compares the byte at X + @at. */
static void code_byte(struct code *c, uint32_t at, char byte, uint8_t yes, uint8_t no)
{
	code_add(c, BPF_LD | BPF_B | BPF_IND, at, 0, 0);
	code_add(c, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)byte, yes, no);
}

/* Compares four bytes. */
static void code_word(struct code *c, uint32_t at, const char *text, uint8_t yes, uint8_t no)
{
	code_add(c, BPF_LD | BPF_W | BPF_IND, at, 0, 0);
	code_add(c, BPF_JMP | BPF_JEQ | BPF_K, word_of(text), yes, no);
}

static void code_step(struct code *c, uint32_t length)
{
	code_add(c, BPF_MISC | BPF_TXA, 0, 0, 0);
	code_add(c, BPF_ALU | BPF_ADD | BPF_K, length, 0, 0);
	code_add(c, BPF_MISC | BPF_TAX, 0, 0, 0);
}

/* "add@", "bind@", "remove@", "offline@", and others of these lengths: X is behind the '@'. */
static void code_action(struct code *c)
{
	static const uint32_t lengths[] = {3, 4, 6, 7};

	code_add(c, BPF_LDX | BPF_IMM, 0, 0, 0);
	for (unsigned i = 0; i < 4; i++) {
		code_byte(c, lengths[i], '@', NEXT, i < 3 ? 2 : TO_PASS);
		code_add(c, BPF_LDX | BPF_IMM, lengths[i] + 1, 0, 0);
		/* Over the lengths that are left. */
		code_add(c, BPF_JMP | BPF_JA, (3 - i) * 4, 0, 0);
	}
}

static void code_bus(struct code *c)
{
	code_word(c, 0, "/dev", NEXT, TO_PASS);
	code_word(c, 4, "ices", NEXT, TO_PASS);
	code_word(c, 8, "/vir", TO_DROP, NEXT);
	code_word(c, 8, "/pci", NEXT, TO_PASS);
	code_byte(c, BUS_LENGTH - 3, ':', NEXT, TO_PASS);
	code_step(c, BUS_LENGTH);
}

static void code_address(struct code *c)
{
	code_byte(c, 0, '\0', TO_PASS, NEXT);
	code_byte(c, 0, '/', NEXT, TO_PASS);
	code_byte(c, 5, ':', NEXT, TO_OTHER);
	code_byte(c, 8, ':', NEXT, TO_OTHER);
	code_byte(c, 11, '.', NEXT, TO_OTHER);
	code_step(c, ADDRESS_LENGTH);
}

static uint8_t jump_resolve(uint8_t to, uint16_t at, uint16_t pass, uint16_t other)
{
	const int target = to == TO_PASS    ? pass
			   : to == TO_DROP  ? pass + 1
			   : to == TO_OTHER ? other
					    : at + 1 + to;

	return (uint8_t)(target - at - 1);
}

static void jumps_resolve(struct code *c, uint16_t pass, uint16_t other)
{
	for (uint16_t i = 0; i < c->count; i++) {
		struct sock_filter *f = &c->list[i];
		if (f->code != (BPF_JMP | BPF_JEQ | BPF_K))
			continue;
		f->jt = jump_resolve(f->jt, i, pass, other);
		f->jf = jump_resolve(f->jf, i, pass, other);
	}
}

int uevent_filter(int fd)
{
	struct code c = {.count = 0};

	code_action(&c);
	code_bus(&c);
	for (unsigned i = 0; i < DEPTH_MAX; i++)
		code_address(&c);
	code_add(&c, BPF_RET | BPF_K, UINT32_MAX, 0, 0);
	const uint16_t other = c.count;
	code_word(&c, 0, "/pci", TO_PASS, TO_DROP);
	const uint16_t pass = c.count;
	code_add(&c, BPF_RET | BPF_K, UINT32_MAX, 0, 0);
	code_add(&c, BPF_RET | BPF_K, 0, 0, 0);
	jumps_resolve(&c, pass, other);
	const struct sock_fprog program = {.len = c.count, .filter = c.list};
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}
