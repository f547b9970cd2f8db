/* SPDX-License-Identifier: MIT */
/*
 * A hostile guest without an operating system, for virtio devices: it drives all of them as no
 * driver may (wild.h), reboots in the middle of it, and lists at its end what happened how often.
 * Its command line:
 *
 *	seed=N ops=N boots=N ecam=ADDRESS ram=BYTES
 *
 * `ops` counts the operations of each boot.
 */
#include "port.h"
#include "wild.h"

#define RESET 0x602
#define RESET_NOW 1
#define PVH_CMDLINE 24 /* struct hvm_start_info: cmdline_paddr */
#define BUSES 34
#define AREA 0x800000
/* A reboot does not change memory outside of the image. */
#define BOOTS_AT 0xc00000
#define BOOTS_MARK UINT64_C(0x77696c6400000000)

void guest_main(const uint8_t *start_info);

static struct wild wild;
static uint64_t ecam;

static void say_number(uint64_t n)
{
	char text[21], *p = text + 20;

	*p = 0;
	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	say(p);
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

static void register_put(uint64_t at, unsigned size, uint64_t value)
{
	if (size == 1)
		*(volatile uint8_t *)at = (uint8_t)value;
	else if (size == 2)
		*(volatile uint16_t *)at = (uint16_t)value;
	else if (size == 4)
		*(volatile uint32_t *)at = (uint32_t)value;
	else
		*(volatile uint64_t *)at = value;
}

static uint64_t register_get(uint64_t at, unsigned size)
{
	if (size == 1)
		return *(volatile uint8_t *)at;
	if (size == 2)
		return *(volatile uint16_t *)at;
	return size == 4 ? *(volatile uint32_t *)at : *(volatile uint64_t *)at;
}

static void space_put(uint32_t function, unsigned off, unsigned size, uint32_t value)
{
	register_put(ecam + (uint64_t)function * 4096 + off, size, value);
}

static uint32_t space_get(uint32_t function, unsigned off, unsigned size)
{
	return (uint32_t)register_get(ecam + (uint64_t)function * 4096 + off, size);
}

static void processor_relax(void)
{
	__asm__ volatile("pause");
}

/* Each function is behind a root port of its own: bus, device 0, function 0. */
static void devices_find(uint64_t seed, uint64_t ram)
{
	wild.put = register_put;
	wild.get = register_get;
	wild.space_put = space_put;
	wild.space_get = space_get;
	wild.relax = processor_relax;
	wild.memory = (volatile uint8_t *)AREA;
	wild.area = AREA;
	wild.ram_end = ram;
	wild.state = seed;
	for (uint32_t bus = 1; bus < BUSES; bus++)
		if (space_get(bus << 8, 0, 4) != 0xffffffff)
			wild_find(&wild, bus << 8);
}

static void kind_tell(const char *name, uint64_t count)
{
	say("wild: ");
	say_number(count);
	say(" ");
	say(name);
	say("\n");
}

/* The number of earlier boots. */
static uint64_t boots_so_far(void)
{
	const uint64_t mark = *(volatile uint64_t *)BOOTS_AT;

	return (mark & ~UINT64_C(0xff)) == BOOTS_MARK ? mark & 0xff : 0;
}

static void steps_run(uint64_t ops)
{
	for (uint64_t n = 0; n < ops && !wild.fault; n++)
		wild_step(&wild);
}

void guest_main(const uint8_t *start_info)
{
	const char *words = (const char *)*(const uint64_t *)(start_info + PVH_CMDLINE);
	const uint64_t ops = number_after(words, "ops=", 1000),
		       boots = number_after(words, "boots=", 1);
	const uint64_t boot = boots_so_far() + 1, seed = number_after(words, "seed=", 1);

	ecam = number_after(words, "ecam=", 0xe8000000);
	devices_find(seed + boot, number_after(words, "ram=", 32 << 20));
	say("wild: boot ");
	say_number(boot);
	say(", devices ");
	say_number(wild.count);
	say("\n");
	steps_run(ops);
	if (boot < boots && !wild.fault) {
		/* As Linux does: without a word a guest may reset itself only so often. */
		say("reboot: Restarting system\n");
		*(volatile uint64_t *)BOOTS_AT = BOOTS_MARK | boot;
		out8(RESET, RESET_NOW);
	}
	if (!wild.fault)
		wild_prove(&wild);
	const unsigned missing = wild_missing(&wild, kind_tell);
	kind_tell("kinds never happened", missing);
	say(wild.fault ? "wild: fault: " : "wild: ");
	say(wild.fault ? wild.fault : "done");
	say("\n");
	out8(SLEEP_CONTROL, SLEEP_S5);
}
