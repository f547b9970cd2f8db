/* SPDX-License-Identifier: MIT */
/*
 * A replacement for the vfio-pci-bind script: started under that name (a link to usher), or as the
 * verb. Operands may be in any order, and the last of each kind counts; the exit status is 0 or 1.
 * Differences: domains may have more than four digits, operands are parsed strictly, a device in
 * use is refused, success means that the driver was read afterwards, and 'usher release' undoes it.
 */
#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "bind/bind.h"
#include "cli/change.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/target.h"
#include "host/host.h"
#include "view/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct words {
	struct bind_target target;
	bool has_address;
};

static bool parse_id(const char *text, struct bind_target *t)
{
	uint64_t vendor, device;
	char word[10];

	if (strlen(text) != 9 || text[4] != ':')
		return false;
	memcpy(word, text, sizeof(word));
	word[4] = '\0';
	if (num_parse(word, 16, UINT16_MAX, &vendor) < 0 ||
		num_parse(word + 5, 16, UINT16_MAX, &device) < 0)
		return false;
	t->has_id = true;
	t->vendor = (uint16_t)vendor;
	t->device = (uint16_t)device;
	return true;
}

static int compat_parse(int argc, char **argv, struct words *w, struct err *e)
{
	for (int i = 1; i < argc; i++) {
		if (parse_id(argv[i], &w->target))
			continue;
		if (pci_address_parse(argv[i], &w->target.address) < 0)
			return err_say(e, -EINVAL,
				"'%s' is neither an address like 0000:03:00.0 nor an id like "
				"8086:10d3",
				argv[i]);
		w->has_address = true;
	}
	if (w->has_address || w->target.has_id)
		return 0;
	err_say(e, -EINVAL, "no device given");
	err_hint(e, "give an address (0000:03:00.0), an id (8086:10d3), or both");
	return -EINVAL;
}

/* Finds the device by its id, if exactly one device has it. */
static int find_device(struct host *h, struct words *w, struct err *e)
{
	cleanup_free struct pci_device *list = NULL;
	struct bind_target *t = &w->target;
	size_t count = 0, found = 0;

	int r = pci_device_list(h, &list, &count, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (list[i].vendor != t->vendor || list[i].device != t->device)
			continue;
		t->address = list[i].address;
		found++;
	}
	if (found == 1)
		return 0;
	if (!found)
		return err_say(
			e, -ENODEV, "%04x:%04x: no device has this id", t->vendor, t->device);
	err_say(e, -EINVAL, "%04x:%04x: %zu devices have this id", t->vendor, t->device, found);
	err_hint(e, "give the address of one of them as well");
	return -EINVAL;
}

/* The user who called sudo gets the group's node. */
static void read_user(struct bind_request *q)
{
	const char *uid = getenv("SUDO_UID"), *gid = getenv("SUDO_GID");
	uint64_t n;

	if (uid && num_parse(uid, 10, INT32_MAX, &n) == 0)
		q->access.uid = (uid_t)n;
	if (gid && num_parse(gid, 10, INT32_MAX, &n) == 0)
		q->access.gid = (gid_t)n;
}

static int take_device(const struct words *w)
{
	const struct bind_env env = bind_env_live();
	struct bind_request q = {.targets = &w->target, .target_count = 1};
	struct bind_plan plan = BIND_PLAN_NONE;
	char address[PCI_ADDRESS_TEXT];
	struct err e = {0};

	/* The script names one device but binds its whole group: report that, do not refuse. */
	static const char *const allow[] = {"user"};
	q.allow = allow;
	q.allow_count = COUNT(allow);
	q.access = BIND_ACCESS_NONE;
	q.driver = "vfio-pci";
	read_user(&q);
	change_begin();
	int r = bind_take(&env, &q, &plan, &e);
	report_problems(&plan);
	if (r == 0) {
		plan_text(stdout, &plan);
		(void)printf("%s: bound to vfio-pci, /dev/vfio/%d\n",
			pci_address_format(w->target.address, address), plan.groups[0].number);
	} else if (!plan.refusals) {
		report(&e);
	}
	bind_plan_fini(&plan);
	return r == 0 ? LEAVE_OK : LEAVE_FAILED;
}

static int compat_find(int argc, char **argv, struct words *w, struct err *e)
{
	if (geteuid() != 0)
		return err_say(e, -EPERM, "only root can bind devices");
	int r = compat_parse(argc, argv, w, e);
	if (r < 0)
		return r;
	return w->has_address ? 0 : find_device(host_live(), w, e);
}

static int compat_run(const struct verb *v, int argc, char **argv)
{
	struct words w = {0};
	struct err e = {0};

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		option_help(v);
		return LEAVE_OK;
	}
	if (compat_find(argc, argv, &w, &e) < 0) {
		report(&e);
		return LEAVE_FAILED;
	}
	return take_device(&w);
}

const struct verb verb_compat = {
	.name = "vfio-pci-bind",
	.summary = "bind as the vfio-pci-bind script does, with its command line",
	.help = "vfio-pci-bind [ADDRESS] [VVVV:DDDD]\n"
		"\n"
		"Binds the whole IOMMU group of a device, except its PCI bridges, to vfio-pci. If\n"
		"both operands are given, the device at ADDRESS must have that id. If only the id\n"
		"is given, exactly one device must have it. The node in /dev/vfio goes to the\n"
		"user who called sudo. The exit status is 0 or 1. usher behaves in the same way\n"
		"when it is started under the name vfio-pci-bind. 'usher release' undoes the\n"
		"bind.\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher vfio-pci-bind 0000:03:00.0 8086:10d3\n",
	.run = compat_run,
};
