/* SPDX-License-Identifier: MIT */
/*
 * A guest without an operating system that drives a hot-plug slot and the test function of
 * test/unit/vmm/hotplug.c. It says in one line what it waits for ("plug: insert", "plug: unplug",
 * "plug: pull"), and the host does it. "plug: failed: WHAT" ends it, "plug: done" is its success.
 */
#include "port.h"

#include <stdint.h>

#define ECAM UINT64_C(0xe8000000)
#define LAPIC UINT64_C(0xfee00000)
#define IOAPIC UINT64_C(0xfec00000)
#define SPINS 200000000U /* seconds on any machine */

/* Configuration space. */
#define COMMAND 0x04
#define BAR(n) (0x10U + 4 * (n))
#define MSIX 0x80U
#define PORT_MSI 0x80U
#define LINK_STATUS 0x12U /* of the PCI Express capability */
#define SLOT_CONTROL 0x18U
#define SLOT_STATUS 0x1aU
#define LINK_UP 0x2000U
#define BUTTON 0x0001U
#define PRESENCE_CHANGED 0x0008U
#define PRESENT 0x0040U
#define LINK_CHANGED 0x0100U
#define POWER_OFF 0x0400U
#define TELL 0x1029U /* button, presence and link, by interrupt */

/* The test function of test/unit/vmm/hotplug.c. */
#define CARD_ID 0xcafe1b36U
#define REG_SCRATCH 0x00U
#define REG_RAISE 0x04U
#define REG_LINE 0x08U
#define REG_DOORBELL 0x0cU
#define REG_DOORBELL_7 0x10U
#define PAGES 0x2000U

#define VECTOR_FIRST 0x40
#define VECTORS 4
enum { BY_MSIX, BY_MSIX_LATE, BY_LINE, BY_SLOT };

void guest_main(const uint8_t *start_info);

static volatile unsigned interrupts[VECTORS];
static volatile unsigned lines_to_ack; /* interrupts of the line until it is deasserted */
static uint64_t registers; /* where BAR 0 is */
static uint32_t port, card; /* as ECAM counts functions */
static unsigned express; /* the port's capability */

static void stop(void)
{
	out8(SLEEP_CONTROL, SLEEP_S5);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void require(int holds, const char *what)
{
	if (holds)
		return;
	say("plug: failed: ");
	say(what);
	say("\n");
	stop();
}

/* For functions that interrupt handlers call. */
#define SAVES_REGISTERS __attribute__((no_caller_saved_registers))

SAVES_REGISTERS static volatile uint32_t *at32(uint64_t address)
{
	return (volatile uint32_t *)address;
}

static volatile uint32_t *config32(uint32_t function, unsigned off)
{
	return at32(ECAM + (uint64_t)function * 4096 + off);
}

static volatile uint16_t *config16(uint32_t function, unsigned off)
{
	return (volatile uint16_t *)(ECAM + (uint64_t)function * 4096 + off);
}

/* Interrupts: gates to handlers that count, and the end of interrupt. */
struct frame;

SAVES_REGISTERS static void end_interrupt(unsigned n)
{
	interrupts[n]++;
	*at32(LAPIC + 0xb0) = 0;
}

__attribute__((interrupt)) static void on_msix(struct frame *f)
{
	(void)f;
	end_interrupt(BY_MSIX);
}

__attribute__((interrupt)) static void on_msix_late(struct frame *f)
{
	(void)f;
	end_interrupt(BY_MSIX_LATE);
}

/*
 * The host triggers an asserted line again after each end of interrupt. It may do so once too
 * often, before it learns that the line is deasserted: that interrupt does not count.
 */
__attribute__((interrupt)) static void on_line(struct frame *f)
{
	(void)f;
	if (!*at32(registers + REG_LINE))
		interrupts[BY_LINE]--;
	else if (--lines_to_ack == 0)
		*at32(registers + REG_LINE) = 0;
	end_interrupt(BY_LINE);
}

__attribute__((interrupt)) static void on_slot(struct frame *f)
{
	(void)f;
	end_interrupt(BY_SLOT);
}

static void set_up_interrupts(void)
{
	static struct gate {
		uint16_t low, selector, flags, middle;
		uint32_t high, reserved;
	} gates[VECTOR_FIRST + VECTORS];
	static struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) table;
	void (*const handlers[VECTORS])(struct frame *) = {on_msix, on_msix_late, on_line, on_slot};

	for (unsigned i = 0; i < VECTORS; i++) {
		uint64_t to = (uint64_t)handlers[i];
		gates[VECTOR_FIRST + i] = (struct gate){.low = (uint16_t)to,
			.selector = 8,
			.flags = 0x8e00,
			.middle = (uint16_t)(to >> 16),
			.high = (uint32_t)(to >> 32)};
	}
	table.limit = sizeof(gates) - 1;
	table.base = (uint64_t)gates;
	__asm__ volatile("lidt %0; mov %1, %%ss" : : "m"(table), "r"(0));
	*at32(LAPIC + 0xf0) = 0x1ff;
	__asm__ volatile("sti");
}

static void wait_for_interrupt(unsigned n, unsigned count, const char *what)
{
	for (unsigned i = 0; i < SPINS && interrupts[n] < count; i++)
		__asm__ volatile("pause");
	require(interrupts[n] == count, what);
}

static unsigned find_capability(uint32_t function, uint8_t id)
{
	unsigned at = *config32(function, 0x34) & 0xfc;

	for (unsigned n = 0; at && n < 48; n++) {
		uint32_t head = *config32(function, at);
		if ((head & 0xff) == id)
			return at;
		at = head >> 8 & 0xfc;
	}
	return 0;
}

static void find_slot(void)
{
	port = 1 << 3;
	require(*config32(port, 0) == 0x000c1b36, "no root port");
	express = find_capability(port, 0x10);
	card = (*config32(port, 0x18) >> 8 & 0xff) << 8;
	require(express && card, "no slot, or no bus behind it");
	require(!(*config16(port, express + SLOT_STATUS) & PRESENT), "the slot is not empty");
	require(*config32(card, 0) == 0xffffffff, "an empty slot answers");
	*config32(port, PORT_MSI + 4) = (uint32_t)LAPIC;
	*config32(port, PORT_MSI + 8) = 0;
	*config16(port, PORT_MSI + 12) = VECTOR_FIRST + BY_SLOT;
	*config16(port, PORT_MSI + 2) |= 1;
	*config16(port, express + SLOT_CONTROL) = POWER_OFF | TELL;
}

/*
 * Waits for events of the slot, which are pending until they are cleared. Return: all pending ones.
 */
static unsigned wait_for_slot(unsigned events, const char *what)
{
	volatile uint16_t *status = config16(port, express + SLOT_STATUS);
	unsigned seen = 0;

	for (unsigned i = 0; i < SPINS / 100 && (seen & events) != events; i++)
		seen = *status;
	require((seen & events) == events, what);
	*status = (uint16_t)seen;
	return seen;
}

static void power_on(void)
{
	*config16(port, express + SLOT_CONTROL) = TELL;
	(void)wait_for_slot(LINK_CHANGED, "the link does not come up");
	require(*config16(port, express + LINK_STATUS) & LINK_UP, "the link is not up");
	require(*config32(card, 0) == CARD_ID, "the card is not there");
	require(*config16(card, COMMAND) == 0, "the card is not as after a reset");
}

static void place_bars(uint32_t memory, uint32_t io)
{
	*config16(card, COMMAND) = 0;
	*config32(card, BAR(0)) = 0xffffffff;
	require(*config32(card, BAR(0)) == 0xffffc000, "BAR 0 has no 16 KiB");
	*config32(card, BAR(2)) = 0xffffffff;
	require(*config32(card, BAR(2)) == 0xfffffff1, "BAR 2 has no 16 ports");
	*config32(card, BAR(0)) = memory;
	*config32(card, BAR(2)) = io;
	*config16(card, COMMAND) = 7;
	registers = memory;
}

static void use_registers(uint16_t io)
{
	*at32(registers + REG_SCRATCH) = 0x12345678;
	require(*at32(registers + REG_SCRATCH) == 0x12345678, "a register forgets");
	out32(io, 0x9abcdef0);
	require(in32(io) == 0x9abcdef0, "a port forgets");
	/* Pages of the host's memory: a different word in each. */
	*at32(registers + PAGES) = 1;
	*at32(registers + PAGES + 0x1000) = 2;
	require(*at32(registers + PAGES) == 1, "a page forgets");
}

/* Rings each of the doorbells @times, and one of them with a value that does not count. */
static void ring(uint16_t io, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		*at32(registers + REG_DOORBELL) = i;
		*at32(registers + REG_DOORBELL_7) = 7;
		out32(io + 4, i);
	}
	*at32(registers + REG_DOORBELL_7) = 8;
}

static void set_vector(unsigned n, unsigned vector, unsigned control)
{
	uint64_t entry = registers + 0x1000 + 16 * n;

	*at32(entry) = (uint32_t)LAPIC;
	*at32(entry + 4) = 0;
	*at32(entry + 8) = vector;
	*at32(entry + 12) = control;
}

static void use_msix(void)
{
	set_vector(0, VECTOR_FIRST + BY_MSIX, 0);
	set_vector(1, VECTOR_FIRST + BY_MSIX_LATE, 1);
	*config16(card, MSIX + 2) = 0x8000;
	*at32(registers + REG_RAISE) = 0;
	wait_for_interrupt(BY_MSIX, 1, "no interrupt by MSI-X");
	/* A masked vector is pending, and interrupts when it is unmasked. */
	*at32(registers + REG_RAISE) = 1;
	require(*at32(registers + 0x1800) == 2, "a masked vector is not pending");
	require(interrupts[BY_MSIX_LATE] == 0, "a masked vector interrupts");
	set_vector(1, VECTOR_FIRST + BY_MSIX_LATE, 0);
	wait_for_interrupt(BY_MSIX_LATE, 1, "an unmasked vector does not interrupt");
	*config16(card, MSIX + 2) = 0;
}

/* The line stays asserted after the first end of interrupt, so it interrupts again. */
static void use_line(unsigned pin)
{
	unsigned before = interrupts[BY_LINE];

	*at32(IOAPIC) = 0x10 + 2 * pin;
	*at32(IOAPIC + 0x10) = 0x8000 | (VECTOR_FIRST + BY_LINE); /* level */
	lines_to_ack = 2;
	*at32(registers + REG_LINE) = 1;
	wait_for_interrupt(BY_LINE, before + 2, "no interrupt by INTx");
	require(!(*config32(card, COMMAND) & 0x80000), "the status shows a line that is gone");
	/* Disabled INTx does not interrupt, but its status bit is set. */
	*config16(card, COMMAND) = 0x407;
	*at32(registers + REG_LINE) = 1;
	require(*config32(card, COMMAND) & 0x80000, "the status does not show the line");
	lines_to_ack = 1;
	*config16(card, COMMAND) = 7;
	wait_for_interrupt(BY_LINE, before + 3, "an enabled line does not interrupt");
}

static void let_go(void)
{
	say("plug: unplug\n");
	(void)wait_for_slot(BUTTON, "nobody presses the button");
	*config16(card, COMMAND) = 0;
	*config16(port, express + SLOT_CONTROL) = POWER_OFF | TELL;
	require(!(wait_for_slot(PRESENCE_CHANGED, "the card does not leave") & PRESENT),
		"the card has left and is there");
	require(*config32(card, 0) == 0xffffffff, "a card that has left answers");
}

void guest_main(const uint8_t *start_info)
{
	(void)start_info;
	set_up_interrupts();
	find_slot();
	say("plug: insert\n");
	require(wait_for_slot(PRESENCE_CHANGED, "no card comes") & PRESENT, "no card is there");
	wait_for_interrupt(BY_SLOT, 1, "the slot does not interrupt");
	power_on();
	place_bars(0xd0000000, 0x2000);
	use_registers(0x2000);
	ring(0x2000, 5);
	place_bars(0xd0100000, 0x3000);
	use_registers(0x3000);
	ring(0x3000, 4);
	*at32(0xd0000000 + REG_DOORBELL) = 0; /* where the BAR was */
	use_msix();
	use_line(16 + 1); /* INTA of slot 1 */
	let_go();
	say("plug: insert\n");
	(void)wait_for_slot(PRESENCE_CHANGED | PRESENT, "no second card comes");
	power_on();
	place_bars(0xd0000000, 0x2000);
	require(*at32(registers + REG_SCRATCH) == 0, "the second card is the first one");
	ring(0x2000, 1);
	say("plug: pull\n");
	require(!(wait_for_slot(PRESENCE_CHANGED | LINK_CHANGED, "no card is pulled") & PRESENT),
		"the card is pulled and is there");
	require(*at32(registers + REG_SCRATCH) == 0xffffffff, "a card that was pulled answers");
	say("plug: done\n");
	stop();
}
