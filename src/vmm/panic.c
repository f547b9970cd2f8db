/* SPDX-License-Identifier: MIT */
#include "vmm/panic.h"

#include "base/log.h"
#include "base/num.h"
#include "vmm/vm.h"

#include <string.h>

/* Events. Ref: QEMU docs/specs/pvpanic */
#define PANICKED 0x01
#define CRASH_LOADED 0x02 /* the kernel panicked, and a crash kernel boots to take a dump */

/* Linux, kernel/panic.c: what follows on the line is the reason. */
static const char announcement[] = "Kernel panic - not syncing";

/* Under the lock. */
static void text_forget(struct panic *p)
{
	p->heard = false;
	p->matched = p->len = 0;
	p->text[0] = '\0';
}

static uint64_t panic_read(struct bus_range *r, uint64_t off, unsigned size)
{
	return PANICKED | CRASH_LOADED;
}

static void panic_write(struct bus_range *r, uint64_t off, unsigned size, uint64_t value)
{
	struct panic *p = container_of(r, struct panic, range);

	if (value & PANICKED)
		vm_stop(p->vm, VM_CRASHED, "its kernel panicked%s", panic_text(p));
	else if (value & CRASH_LOADED)
		log_guest(&p->told, p->vm->name,
			"the kernel of the guest panicked, and its crash kernel boots");
	/* The crash kernel reboots when it is done: that reboot does not follow from a panic. */
	if (value & CRASH_LOADED)
		text_forget(p);
}

int panic_init(struct panic *p, struct vm *vm, struct err *e)
{
	*p = (struct panic){
		.range =
			{
				.name = "pvpanic",
				.lock = &p->lock,
				.base = PANIC_PORT,
				.size = 1,
				.read = panic_read,
				.write = panic_write,
			},
		.vm = vm,
		.lock = LOCK_INIT(LOCK_PANIC),
	};
	return bus_add(&vm->ports, &p->range, e);
}

void panic_reset(struct panic *p)
{
	lock_take(&p->lock);
	text_forget(p);
	lock_drop(&p->lock);
}

/* Keeps the printable characters of the rest of the line, which our messages quote. */
static void text_append(struct panic *p, uint8_t byte)
{
	if (byte == '\n' || p->len == PANIC_TEXT - 1) {
		p->matched = 0;
		return;
	}
	if (byte < ' ' || byte > '~')
		return;
	p->text[p->len++] = (char)byte;
	p->text[p->len] = '\0';
}

/* Under the lock. */
static void byte_match(struct panic *p, uint8_t byte)
{
	if (p->matched == sizeof(announcement) - 1) {
		text_append(p, byte);
		return;
	}
	if (byte != (uint8_t)announcement[p->matched])
		p->matched = 0; /* its first letter is nowhere else in it */
	if (byte == (uint8_t)announcement[p->matched])
		p->matched++;
	if (p->matched < sizeof(announcement) - 1)
		return;
	p->heard = true;
	p->len = 0;
	p->text[0] = '\0';
}

void panic_hear(struct panic *p, uint8_t byte)
{
	lock_take(&p->lock);
	byte_match(p, byte);
	lock_drop(&p->lock);
}

const char *panic_text(const struct panic *p)
{
	return p->heard ? p->text : "";
}
