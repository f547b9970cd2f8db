/* SPDX-License-Identifier: MIT */
/*
 * A hostile guest without an operating system. It writes random values to configuration space (by
 * ECAM and by 0xcf8) and to the registers of every BAR, reads from them as wildly, and reboots in
 * the middle of it. Its command line:
 *
 *	seed=N ops=N boots=N ecam=ADDRESS
 *
 * `ops` counts the operations of each boot. The guest prints its seed, so that a run can be
 * repeated, and powers off at its end.
 */
#include "port.h"

#include <stdint.h>

#define RESET 0x602
#define RESET_NOW 1
#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc

#define PVH_CMDLINE 24 /* struct hvm_start_info: cmdline_paddr */
#define BUSES 34 /* more than exist: some must not answer */
#define FUNCTIONS_MAX 64
#define BARS 6

struct bar {
	uint64_t at;
	uint64_t size;
	int io;
};

struct function {
	uint32_t number; /* bus, device, function, as in an ECAM address */
	uint32_t registers[64]; /* the value that the firmware left */
	uint8_t power; /* offset of the power management capability; 0: none */
	uint8_t slot; /* of the PCI Express capability of a port with a slot; 0: none */
	struct bar bars[BARS];
};

/*
 * A reboot does not change memory outside of the image. The guest makes devices write to random
 * addresses: if they overwrite this record, the reboots end.
 */
#define BOOTS_AT 0xc00000
#define BOOTS_MARK UINT64_C(0x686f7374696c6500)

void guest_main(const uint8_t *start_info);

static struct function functions[FUNCTIONS_MAX];
static unsigned count;
static uint64_t state, ecam;

static void say_number(uint64_t n)
{
	char text[21], *p = text + 20;

	*p = 0;
	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	say(p);
}

/* xorshift64* is random enough. */
static uint64_t any(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(2685821657736338717);
}

static uint64_t below(uint64_t n)
{
	return (any() >> 16) % n;
}

/* Random bits, or typical values of registers: all bits, none, one bit, a small number. */
static uint64_t any_value(void)
{
	switch (below(6)) {
	case 0:
		return 0;
	case 1:
		return ~UINT64_C(0);
	case 2:
		return UINT64_C(1) << below(64);
	case 3:
		return below(16);
	default:
		return any();
	}
}

static uint64_t number_after(const char *text, const char *name, uint64_t otherwise)
{
	for (; *text; text++) {
		unsigned n = 0;
		while (name[n] && text[n] == name[n])
			n++;
		if (name[n])
			continue;
		uint64_t v = 0;
		for (text += n; *text >= '0' && *text <= '9'; text++)
			v = v * 10 + (uint64_t)(*text - '0');
		return v;
	}
	return otherwise;
}

static volatile uint32_t *config(uint32_t function, unsigned off)
{
	return (volatile uint32_t *)(ecam + (uint64_t)function * 4096 + off);
}

static uint32_t size_of(uint32_t function, unsigned reg, uint32_t was)
{
	*config(function, reg) = 0xffffffff;
	uint32_t bits = *config(function, reg) & (was & 1 ? ~3U : ~15U);
	*config(function, reg) = was;
	return bits & -bits;
}

static void learn_bars(struct function *f)
{
	unsigned bars = (f->registers[3] >> 16 & 0x7f) == 1 ? 2 : BARS;

	*config(f->number, 4) = f->registers[1] & ~7U;
	for (unsigned i = 0; i < bars; i++) {
		uint32_t reg = f->registers[4 + i];
		struct bar *b = &f->bars[i];
		b->io = reg & 1;
		b->at = reg & (b->io ? ~3U : ~15U);
		b->size = size_of(f->number, 0x10 + 4 * i, reg);
		if ((reg & 7) == 4 && i + 1 < bars)
			b->at |= (uint64_t)f->registers[4 + ++i] << 32;
	}
	*config(f->number, 4) = f->registers[1];
}

static void learn(uint32_t number)
{
	struct function *f = &functions[count++];

	f->number = number;
	for (unsigned i = 0; i < 64; i++)
		f->registers[i] = *config(number, 4 * i);
	uint8_t at = (uint8_t)f->registers[13] & 0xfc;
	for (unsigned n = 0; at && n < 48; n++) {
		uint32_t head = f->registers[at / 4];
		if ((head & 0xff) == 1)
			f->power = at;
		if ((head & 0xff) == 0x10 && head >> 24 & 1)
			f->slot = at;
		at = head >> 8 & 0xfc;
	}
	learn_bars(f);
}

static void find(void)
{
	for (uint32_t n = 0; n < BUSES * 256 && count < FUNCTIONS_MAX; n++) {
		if (*config(n, 0) != 0xffffffff)
			learn(n);
		/* Other functions exist only if function 0 says so. */
		if (!(n & 7) && !(*config(n, 12) & 0x800000 && *config(n, 0) != 0xffffffff))
			n += 7;
	}
}

static void memory_write(uint64_t at, uint64_t v)
{
	volatile uint8_t *p = (volatile uint8_t *)at;

	switch (below(4)) {
	case 0:
		*p = (uint8_t)v;
		return;
	case 1:
		*(volatile uint16_t *)p = (uint16_t)v;
		return;
	case 2:
		*(volatile uint32_t *)p = (uint32_t)v;
		return;
	default:
		*(volatile uint64_t *)p = v;
	}
}

static void memory_read(uint64_t at)
{
	volatile uint8_t *p = (volatile uint8_t *)at;

	switch (below(4)) {
	case 0:
		(void)*p;
		return;
	case 1:
		(void)*(volatile uint16_t *)p;
		return;
	case 2:
		(void)*(volatile uint32_t *)p;
		return;
	default:
		(void)*(volatile uint64_t *)p;
	}
}

static void port_read(uint16_t port)
{
	uint32_t v;

	switch (below(3)) {
	case 0:
		__asm__ volatile("inb %1, %b0" : "=a"(v) : "Nd"(port));
		return;
	case 1:
		__asm__ volatile("inw %1, %w0" : "=a"(v) : "Nd"(port));
		return;
	default:
		__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	}
}

static void port_write(uint16_t port, uint32_t v)
{
	switch (below(3)) {
	case 0:
		out8(port, (uint8_t)v);
		return;
	case 1:
		out16(port, (uint16_t)v);
		return;
	default:
		out32(port, v);
	}
}

static void write_config(const struct function *f)
{
	uint64_t at = ecam + (uint64_t)f->number * 4096;
	unsigned off = (unsigned)below(below(4) ? 256 : 4096);

	/* Sometimes an address without a function. */
	if (!below(16))
		at = ecam + below(BUSES * 256) * 4096;
	/* Also unaligned, but not past the end of ECAM. */
	if (below(2)) {
		memory_write(at + (off & ~(below(8) ? 7U : 0U)), any_value());
		return;
	}
	out32(CONFIG_ADDRESS,
		below(16) ? 0x80000000 | f->number << 8 | (off & 0xfc) : (uint32_t)any());
	port_write((uint16_t)(CONFIG_DATA + below(4)), (uint32_t)any_value());
}

static void use_bar(const struct function *f)
{
	const struct bar *b = &f->bars[below(BARS)];
	uint64_t off;

	if (!b->size || !b->at)
		return;
	/* Registers are at the start of a BAR, tables after them. */
	off = below(b->size < 8192 || !below(4) ? b->size : 8192);
	int reads = !below(3);
	if (b->io && reads)
		port_read((uint16_t)(b->at + off));
	else if (reads)
		memory_read(b->at + (off & ~7UL));
	else if (b->io)
		port_write((uint16_t)(b->at + off), (uint32_t)any_value());
	else
		memory_write(b->at + (off & ~7UL), any_value());
}

/* Each byte of the first 256, and each register of the extended space. */
static void sweep(const struct function *f)
{
	volatile uint8_t *space = (volatile uint8_t *)config(f->number, 0);

	for (unsigned off = 0; off < 256; off++)
		space[off] = (uint8_t)any_value();
	for (unsigned off = 256; off < 4096; off += 4)
		*config(f->number, off) = (uint32_t)any_value();
}

/* Restore normal values, so that random writes of other kinds have an effect. */
static void repair(const struct function *f)
{
	if (f->power)
		*config(f->number, f->power + 4U) = 0;
	if (f->slot)
		*config(f->number, f->slot + 0x18U) = 0; /* the slot's power is on */
	for (unsigned i = 4; i < 13; i++)
		*config(f->number, 4 * i) = f->registers[i];
	*config(f->number, 4) = (f->registers[1] & 0xffff) | (below(2) ? 7 : 3);
}

static void harm(uint64_t ops)
{
	for (unsigned i = 0; i < count; i++)
		sweep(&functions[i]);
	for (unsigned i = 0; i < count; i++)
		repair(&functions[i]);
	for (uint64_t n = 0; n < ops && count; n++) {
		const struct function *f = &functions[below(count)];
		if (!below(8))
			repair(f);
		else if (below(2))
			write_config(f);
		else
			use_bar(f);
	}
}

/* The number of earlier boots. */
static uint64_t boots_so_far(uint64_t boots)
{
	uint64_t mark = *(volatile uint64_t *)BOOTS_AT;

	if (!mark)
		return 0;
	return (mark & ~UINT64_C(0xff)) == BOOTS_MARK ? mark & 0xff : boots;
}

void guest_main(const uint8_t *start_info)
{
	const char *words = (const char *)*(const uint64_t *)(start_info + PVH_CMDLINE);
	uint64_t seed = number_after(words, "seed=", 1), ops = number_after(words, "ops=", 1000);
	uint64_t boots = number_after(words, "boots=", 1), boot = boots_so_far(boots) + 1;

	state = (seed * 2 + 1) ^ (boot - 1) << 48;
	ecam = number_after(words, "ecam=", 0xe8000000);
	find();
	say("hostile: seed ");
	say_number(seed);
	say(", boot ");
	say_number(boot);
	say(", functions ");
	say_number(count);
	say("\n");
	harm(ops);
	if (boot < boots) {
		/* As Linux does: without a word a guest may reset itself only so often. */
		say("reboot: Restarting system\n");
		*(volatile uint64_t *)BOOTS_AT = BOOTS_MARK | boot;
		out8(RESET, RESET_NOW);
	}
	say("hostile: done\n");
	out8(SLEEP_CONTROL, SLEEP_S5);
}
