/* SPDX-License-Identifier: MIT */
#include "vmm/reboot.h"

#include "vmm/vm.h"

#include <stdio.h>

/* Triple faults within so many seconds of the start, one after the other, end the guest. */
#define EARLY_S 5
#define EARLY_FAULTS 2
/*
 * Resets of any kind that the kernel does not announce: a panic without a console looks like that,
 * and so does an orderly reboot. Only a reset right after the start, again and again, is a death.
 */
#define EARLY_RESETS_S 10
#define EARLY_RESETS 3

void reboots_start(struct reboots *r)
{
	(void)clock_gettime(CLOCK_MONOTONIC, &r->booted);
}

static void count_early(struct reboots *r, const struct vm *vm)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	time_t lived = now.tv_sec - r->booted.tv_sec;
	bool fault = vm->triple_fault && lived <= EARLY_S;
	bool reset = !vm->panic.parted && !vm->commanded && lived <= EARLY_RESETS_S;
	r->early_faults = fault ? r->early_faults + 1 : 0;
	r->early_resets = reset ? r->early_resets + 1 : 0;
}

bool reboots_again(struct reboots *r, struct vm *vm)
{
	char why[sizeof(vm->why)] = "";

	if (vm_ended(vm) != VM_REBOOT)
		return false;
	count_early(r, vm);
	if (r->early_faults >= EARLY_FAULTS)
		(void)snprintf(why, sizeof(why), "%.200s; it had one at each of its last %d starts",
			vm->why, EARLY_FAULTS);
	else if (panic_heard(&vm->panic) && !vm->commanded)
		(void)snprintf(why, sizeof(why), "its kernel panicked%s", panic_text(&vm->panic));
	else if (r->early_resets >= EARLY_RESETS)
		(void)snprintf(why, sizeof(why),
			"it reset itself %d times, each within %d s of its start and unannounced; "
			"a console may say why: --cmdline console=ttyS0",
			EARLY_RESETS, EARLY_RESETS_S);
	if (!why[0])
		return true;
	vm->end = VM_CRASHED;
	(void)snprintf(vm->why, sizeof(vm->why), "%s", why);
	return false;
}
