/* SPDX-License-Identifier: MIT */
#include "bind/busy.h"

#include "base/clean.h"
#include "base/num.h"
#include "bind/problem.h"
#include "host/host.h"
#include "pci/bar.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/*
 * How it works
 *
 * Invariant: a range that goes with the device's driver is no obstacle, for usher unbinds the
 * driver. Which ranges these are, /proc/iomem does not tell: it has names that drivers chose.
 *
 *	a line that is not below the BAR's own (a bridge's window)	no request
 *	no driver, or a VFIO driver: whoever it is stays		busy
 *	the whole of the BAR: drivers request that			the driver's
 *	a part of it, with the name of the driver			the driver's
 *	a framebuffer that the plan unbinds				goes
 *	any other part							busy
 */

struct claim {
	size_t depth; /* blanks before it: two a level */
	uint64_t first, last;
	char name[BIND_BUSY_NAME];
};

/* A line of /proc/iomem: "    c0000000-c07e8fff : BOOTFB". */
static bool claim_parse(const char *line, struct claim *ret)
{
	ret->depth = strspn(line, " ");
	return sscanf(line, " %" SCNx64 "-%" SCNx64 " : %39[^\n]", &ret->first, &ret->last,
		       ret->name) == 3 &&
	       ret->last > ret->first;
}

/* Drivers write their own name with '-' or with '_'. */
static int letter_fold(char c)
{
	return c == '-' ? '_' : tolower((unsigned char)c);
}

/* Whether @name begins with @driver. */
static bool name_is_drivers(const char *name, const char *driver)
{
	for (; *driver; name++, driver++)
		if (letter_fold(*name) != letter_fold(*driver))
			return false;
	return true;
}

static bool name_is_framebuffer(const char *name)
{
	static const char *const names[] = {
		"BOOTFB", "efifb", "simplefb", "simpledrm", "vesafb", "simple-framebuffer"};

	for (size_t i = 0; i < COUNT(names); i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Whether @c stays when @m is with vfio-pci. */
static bool claim_stays(const struct claim *c, const struct pci_bar *b, const struct bind_member *m)
{
	const char *driver = m->device.driver;

	if (m->framebuffer[0] && name_is_framebuffer(c->name))
		return false;
	if (m->act != BIND_ACT_TAKE || !driver[0])
		return strncmp(c->name, "vfio", 4) != 0;
	bool is_whole = c->first == b->address && c->last == b->address + b->size - 1;
	return !is_whole && !name_is_drivers(c->name, driver);
}

static bool is_memory(const struct pci_bar *b)
{
	return b->kind == PCI_BAR_MEM32 || b->kind == PCI_BAR_MEM64;
}

/* Whether @c is the line of the BAR itself. */
static bool claim_is_bar(
	const struct claim *c, const struct pci_bar *b, const struct bind_member *m)
{
	char address[PCI_ADDRESS_TEXT];

	return c->first == b->address && c->last - c->first == b->size - 1 &&
	       strcmp(c->name, pci_address_format(m->device.address, address)) == 0;
}

bool bind_busy_find(const char *iomem, const struct pci_bar *b, const struct bind_member *m,
	char ret_name[BIND_BUSY_NAME])
{
	size_t depth = SIZE_MAX; /* of the BAR's line, while its claims follow */
	struct claim c;

	if (!b->assigned || !is_memory(b))
		return false;
	for (const char *line = iomem; line && *line;) {
		bool valid = claim_parse(line, &c);
		if (valid && c.depth > depth && claim_stays(&c, b, m)) {
			memcpy(ret_name, c.name, sizeof(c.name));
			return true;
		}
		if (valid && (depth == SIZE_MAX || c.depth <= depth))
			depth = claim_is_bar(&c, b, m) ? c.depth : SIZE_MAX;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return false;
}

static int check_member(struct host *h, const char *iomem, const struct bind_member *m,
	const struct bind_request *q, struct bind_plan *p)
{
	static const struct problem_kind kind = {"mmap", PROBLEM_WARNS,
		"free that memory on the host; /proc/iomem names what holds it"};
	struct pci_bar bars[PCI_BAR_MAX];
	char address[PCI_ADDRESS_TEXT], name[BIND_BUSY_NAME];
	int count = pci_bar_read(h, m->device.address, bars, NULL), r = 0;

	for (int i = 0; i < count && r == 0; i++)
		if (bind_busy_find(iomem, &bars[i], m, name))
			r = bind_problem_add(p, q, &kind,
				pci_address_format(m->device.address, address),
				"%s holds a part of its BAR %d: while it does, the host maps no "
				"page of the BAR, and each access of the guest exits",
				name, bars[i].index);
	return r;
}

int bind_busy_check(struct host *h, const struct bind_request *q, struct bind_plan *p)
{
	cleanup_free char *iomem = NULL;
	int r = 0;

	if (!q->target_count || host_read_all(h, "/proc/iomem", &iomem) < 0)
		return 0;
	for (size_t i = 0; i < p->group_count; i++)
		for (size_t k = 0; k < p->groups[i].count && r == 0; k++)
			if (p->groups[i].members[k].is_target)
				r = check_member(h, iomem, &p->groups[i].members[k], q, p);
	return r;
}
