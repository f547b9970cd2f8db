/* SPDX-License-Identifier: MIT */
#include "vmm/panic.h"

#include "base/log.h"
#include "base/num.h"
#include "vmm/vm.h"

#include <stdio.h>
#include <string.h>

/* Events. Ref: QEMU docs/specs/pvpanic */
#define PANICKED 0x01
#define CRASH_LOADED 0x02 /* the kernel panicked, and a crash kernel boots to take a dump */

/* Linux, kernel/panic.c: what follows on the line is the reason. */
static const char announcement[] = "Kernel panic - not syncing";
/* Linux, kernel/reboot.c: kernel_restart() in an orderly reboot, never a panic. */
static const char farewell[] = "reboot: Restarting system";

/* Under the lock. */
static void text_forget(struct panic *p)
{
	p->heard = false;
	p->text[0] = '\0';
}

/* Its driver reads the port before anything else, and from then on reports each panic there. */
static uint64_t panic_read(struct bus_range *r, uint64_t off, unsigned size)
{
	container_of(r, struct panic, range)->driver = true;
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
	p->len = 0;
	p->driver = p->parted = false;
	lock_drop(&p->lock);
}

/* What printk puts in front of a message: "[    1.234567] ", "[    T1] ". */
static const char *skip_stamps(const char *line)
{
	while (*line == '[') {
		const char *end = line + 1 + strspn(line + 1, " .0123456789CT");
		if (*end != ']')
			return line;
		line = end + 1 + strspn(end + 1, " ");
	}
	return line;
}

/*
 * Only the kernel begins a line so: what quotes it, a log or a shell, has something in front. And a
 * kernel that says farewell did not panic, whatever an old log on the console has said. Under the
 * lock.
 */
static void line_judge(struct panic *p)
{
	p->line[p->len] = '\0';
	p->len = 0;
	const char *said = skip_stamps(p->line);
	if (strncmp(said, farewell, sizeof(farewell) - 1) == 0) {
		text_forget(p);
		p->parted = true;
	} else if (strncmp(said, announcement, sizeof(announcement) - 1) == 0) {
		p->heard = true;
		(void)snprintf(p->text, sizeof(p->text), "%s", said + sizeof(announcement) - 1);
	}
}

void panic_hear(struct panic *p, uint8_t byte)
{
	lock_take(&p->lock);
	if (byte == '\n')
		line_judge(p);
	else if (byte >= ' ' && byte <= '~' && p->len < PANIC_LINE - 1)
		p->line[p->len++] = (char)byte;
	lock_drop(&p->lock);
}

bool panic_heard(struct panic *p)
{
	lock_take(&p->lock);
	if (p->len)
		line_judge(p);
	bool heard = p->heard && !p->driver;
	lock_drop(&p->lock);
	return heard;
}

const char *panic_text(const struct panic *p)
{
	return p->heard ? p->text : "";
}
