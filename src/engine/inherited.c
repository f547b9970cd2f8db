/* SPDX-License-Identifier: MIT */
#include "engine/inherited.h"

#include "base/num.h"
#include "engine/engine.h"

int inherited_add(struct engine_run *run, int fd)
{
	if (run->given_count < COUNT(run->given))
		run->given[run->given_count++] = fd;
	return fd;
}
