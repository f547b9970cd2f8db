/* SPDX-License-Identifier: MIT */
#include "vmm/reboot.h"

#include "vmm/vm.h"

#include <stdio.h>

/* Triple faults within so many seconds of the start, one after the other, end the guest. */
#define EARLY_S 5
#define EARLY_FAULTS 2

void reboots_start(struct reboots *r)
{
	(void)clock_gettime(CLOCK_MONOTONIC, &r->booted);
}

static bool faults_again(struct reboots *r, const struct vm *vm)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (!vm->triple_fault || now.tv_sec - r->booted.tv_sec > EARLY_S)
		r->early_faults = 0;
	else
		r->early_faults++;
	return r->early_faults >= EARLY_FAULTS;
}

bool reboots_again(struct reboots *r, struct vm *vm)
{
	char why[sizeof(vm->why)] = "";

	if (vm_ended(vm) != VM_REBOOT)
		return false;
	if (faults_again(r, vm))
		(void)snprintf(why, sizeof(why), "%.200s; it had one at each of its last %d starts",
			vm->why, EARLY_FAULTS);
	else if (vm->panic.heard)
		(void)snprintf(why, sizeof(why), "its kernel panicked%s", panic_text(&vm->panic));
	if (!why[0])
		return true;
	vm->end = VM_CRASHED;
	(void)snprintf(vm->why, sizeof(vm->why), "%s", why);
	return false;
}
