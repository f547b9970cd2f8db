/* SPDX-License-Identifier: MIT */
#include "asked.h"
#include "replay.h"

struct holds holds_ask(const char *text, const struct pci_device *d)
{
	struct host *h = replay_lines(text);
	struct holds found;
	struct err e = {0};

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

/* The only hold of the device on the host of @text. */
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

void hold_is(const struct hold *o, const char *check, const char *object, const char *text)
{
	ck_assert_str_eq(o->check, check);
	ck_assert_str_eq(o->object, object);
	ck_assert_str_eq(o->text, text);
}

void hold_none(const char *text, const struct pci_device *d)
{
	struct holds found = holds_ask(text, d);

	if (found.count)
		ck_abort_msg(
			"%s %s %s", found.list[0].check, found.list[0].object, found.list[0].text);
	holds_fini(&found);
}

struct hold disk_only(const char *text)
{
	struct pci_device d = nvme_device();

	return hold_only(text, &d);
}

void disk_none(const char *text)
{
	struct pci_device d = nvme_device();

	hold_none(text, &d);
}
