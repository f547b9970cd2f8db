/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "hold/hold.h"

#include <stdio.h>
#include <string.h>

/* By the name of the check. */
static const struct {
	const char *check;
	const char *fix;
} fixes[] = {
	{"block", "unmount it, turn swap on it off, or remove it from its volume"},
	{"net", "move its address and routes to another interface"},
	{"vfio", "end the guest or program that has it open"},
	{"sriov", "release its virtual functions"},
	{"dma", "unload the module that uses its DMA channels"},
	{"gpu", "log in by SSH or a serial console, and stop what uses the display"},
	{"input", "connect another keyboard, or log in by SSH"},
	{"fd", "stop these processes"},
};

/* Checks that only a person on the spot can judge: nothing is lost but the screen or the keys. */
static bool is_for_person(const struct hold *o)
{
	return strcmp(o->check, "input") == 0 ||
	       (strcmp(o->check, "gpu") == 0 && strcmp(o->object, "console") == 0);
}

/* "region0": memory of the host, as a whole. The device is free when the region is removed. */
static bool is_cxl_region(const struct hold *o)
{
	return strcmp(o->check, "fd") == 0 && strncmp(o->object, "region", 6) == 0;
}

const char *hold_fix(const struct hold *o, char *buf, size_t size)
{
	const char *fix = "stop what uses it";

	for (size_t i = 0; i < COUNT(fixes); i++)
		if (strcmp(o->check, fixes[i].check) == 0)
			fix = fixes[i].fix;
	/* An interface in another network namespace has no name here. */
	if (strcmp(o->check, "net") == 0 && strcmp(o->object, "net") == 0)
		fix = "return its interface: ip -n NAMESPACE link set INTERFACE netns 1";
	if (strcmp(o->check, "gpu") == 0 && strcmp(o->object, "console") != 0)
		fix = "stop these processes";
	if (is_cxl_region(o))
		fix = "remove the region: cxl disable-region REGION; cxl destroy-region REGION";
	if (strcmp(o->object, "CXL") == 0)
		fix = "load the module cxl_pci, which tells; or: --allow=fd";
	if (o->unsure)
		(void)snprintf(buf, size, "run as root, which sees all users of a device");
	else if (o->waits)
		(void)snprintf(buf, size,
			"%s: the kernel waits for that, so no --allow skips this check", fix);
	else if (o->absolute && (strcmp(o->check, "vfio") == 0 || is_cxl_region(o)))
		(void)snprintf(buf, size, "%s; no --allow skips this check", fix);
	else if (o->absolute)
		(void)snprintf(buf, size, "the host needs it; no --allow skips this check");
	else if (is_for_person(o))
		(void)snprintf(buf, size, "%s; then --allow=%s", fix, o->check);
	else
		(void)snprintf(buf, size, "%s", fix);
	return buf;
}
