/* SPDX-License-Identifier: MIT */
#include "asked.h"
#include "base/err.h"
#include "host/host.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct holds holds_ask(const char *text, const struct pci_device *d)
{
	char path[] = "/tmp/usher-hold-XXXXXX";
	struct host *h = NULL;
	struct holds found;
	struct err e = {0};
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_gt(dprintf(fd, "usher-host 1\n%s", text), 0);
	(void)close(fd);
	int r = host_snapshot_open(path, &h, &e);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_msg(r == 0, "%s", e.msg);
	ck_assert_msg(hold_find(h, d, &found, &e) == 0, "%s", e.msg);
	host_close(h);
	return found;
}

struct pci_device nvme_device(void)
{
	return (struct pci_device){
		.address = {.bus = 2},
		.class = 0x010802,
		.group = 7,
		.driver = "nvme",
	};
}

/* The one answer that @text must give about the device. */
struct hold hold_only(const char *text, const struct pci_device *d)
{
	struct holds found = holds_ask(text, d);

	for (size_t i = 1; i < found.count; i++)
		ck_abort_msg("also: %s %s %s", found.list[i].check, found.list[i].object,
			found.list[i].text);
	ck_assert_uint_eq(found.count, 1);
	struct hold o = found.list[0];
	holds_fini(&found);
	return o;
}

void hold_none(const char *text, const struct pci_device *d)
{
	struct holds found = holds_ask(text, d);

	if (found.count)
		ck_abort_msg(
			"%s %s %s", found.list[0].check, found.list[0].object, found.list[0].text);
	holds_fini(&found);
}
