/* SPDX-License-Identifier: MIT */
#include "view/word.h"

#include "base/err.h"
#include "base/num.h"
#include "replay.h"
#include "view/word_address.h"

#include <errno.h>
#include <string.h>

/* The fixture host/names.host has every kind of name. */
struct word_row {
	const char *word;
	const char *means; /* slots and functions without the domain; "": none */
	const char *usb;
};

static const struct word_row rows[] = {
	{"0000:01:00.0", "01:00.0", ""},
	{"01:00.0", "01:00.0", ""},
	{"1:0.0", "01:00.0", ""},
	{"01:00", "01:00.0 01:00.1", ""},
	{"0000:01:00", "01:00.0 01:00.1", ""},
	{"0:1:0.0", "01:00.0", ""},
	{"pci@0000:01:00.0", "01:00.0", ""},
	{"pci-0000:01:00.0", "01:00.0", ""},
	{"pci_0000_01_00_1", "01:00.1", ""},
	{"PCI:1:0:1", "01:00.1", ""},
	{"PCI:1@0:0:1", "01:00.1", ""},
	{"1234:0005", "03:00.0", ""},
	{"1234:0003", "01:00.0 01:00.1", ""},
	{"eth0", "02:00.0", ""},
	{"bond0", "02:00.0 03:00.0", ""},
	{"bond0.5", "02:00.0 03:00.0", ""},
	{"nvme0", "01:00.0", ""},
	{"nvme0n1", "01:00.0", ""},
	{"nvme0n1p2", "01:00.0", ""},
	{"nvme0c0n1", "01:00.0", ""},
	{"nvme-subsys0", "01:00.0", ""},
	{"/dev/nvme0n1", "01:00.0", ""},
	{"/dev/sda1", "00:17.0", ""},
	{"sdb", "00:14.0", "2-1"},
	{"md0", "00:17.0 01:00.0", ""},
	{"/dev/dm-0", "00:17.0 01:00.0", ""},
	{"my--vg-root", "00:17.0 01:00.0", ""},
	{"my-vg/root", "00:17.0 01:00.0", ""},
	{"/dev/my-vg/root", "00:17.0 01:00.0", ""},
	{"/dev/mapper/my--vg-root", "00:17.0 01:00.0", ""},
	{"/dev/dri/card1", "01:00.1", ""},
	{"/dev/nvidia1", "01:00.1", ""},
	{"nvidia1", "01:00.1", ""},
	{"/dev/snd/controlC0", "01:00.1", ""},
	{"/dev/input/event3", "00:14.0", "1-4"},
	{"/dev/disk/by-id/nvme-X", "01:00.0", ""},
	{"/dev/vfio/7", "02:00.0 03:00.0", ""},
	{"/sys/bus/pci/devices/0000:02:00.0", "02:00.0", ""},
	{"/sys/bus/pci/devices/0000:02:00.0/", "02:00.0", ""},
	{"/sys/class/net/eth1", "03:00.0", ""},
	{"/sys/class/net/../net/eth1", "03:00.0", ""},
	{"/sys/kernel/iommu_groups/7", "02:00.0 03:00.0", ""},
};

static void list_text(const struct word_devices *w, char *buf, size_t size)
{
	char address[PCI_ADDRESS_TEXT];

	buf[0] = '\0';
	for (size_t i = 0; i < w->count; i++)
		(void)snprintf(buf + strlen(buf), size - strlen(buf), "%s%s", i ? " " : "",
			pci_address_format(w->list[i], address) + 5);
}

START_TEST(takes_what_people_have)
{
	struct host *h = replay_fixture("names");
	struct word_devices w;
	char text[256];

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct err e = {0};

		ck_assert_msg(
			word_find(h, rows[i].word, &w, &e) == 0, "%s: %s", rows[i].word, e.msg);
		list_text(&w, text, sizeof(text));
		ck_assert_msg(strcmp(text, rows[i].means) == 0, "%s means %s, not %s", rows[i].word,
			text, rows[i].means);
		ck_assert_msg(strcmp(w.usb, rows[i].usb) == 0, "%s: USB '%s'", rows[i].word, w.usb);
	}
	host_close(h);
}
END_TEST

struct refused_row {
	const char *word;
	int code;
	const char *text; /* of the error, or of its hint */
};

static const struct refused_row refused[] = {
	{"", -EINVAL, "neither a PCI address"},
	{":", -EINVAL, "neither a PCI address"},
	{"1:0.8", -EINVAL, "neither a PCI address"},
	{"01:20.0", -EINVAL, "neither a PCI address"},
	{"0:1:0:0", -EINVAL, "neither a PCI address"},
	{"1:2:3", -EINVAL, "neither a PCI address"},
	{"52:54:00:12:34:56", -EINVAL, "neither a PCI address"},
	{"PCI:1", -EINVAL, "neither a PCI address"},
	{"pci@x", -EINVAL, "neither a PCI address"},
	{"07:00.0", -ENODEV, "0000:07:00.0: there is no such PCI device"},
	{"07:00", -ENODEV, "there is no such PCI device"},
	{"/sys/bus/pci/devices/0000:07:00.0", -ENODEV, "there is no such PCI device"},
	{"1234:ffff", -ENODEV, "ids 1234:ffff"},
	{"eth2", -ENODEV, "did you mean 'eth"},
	{"/dev/nvme0n2", -ENODEV, "did you mean 'nvme0n1'"},
	{"/dev/nvidia0", -ENODEV, "no PCI device has the name"},
	{"nvidiactl", -ENODEV, "no PCI device has the name"},
	{"lo", -ENODEV, "'lo' is not below a PCI device"},
	{"loop0", -ENODEV, "'loop0' is not below a PCI device"},
	{"..", -ENODEV, "no PCI device"},
	{"/", -ENODEV, "no PCI device"},
	{"/etc/passwd", -ENODEV, "no PCI device"},
	{"\033[31m", -ENODEV, "\\x1b[31m"},
};

START_TEST(refuses_the_rest)
{
	struct host *h = replay_fixture("names");
	struct word_devices w;

	for (size_t i = 0; i < COUNT(refused); i++) {
		struct err e = {0};
		int r = word_find(h, refused[i].word, &w, &e);

		ck_assert_msg(r == refused[i].code, "%s: %d: %s", refused[i].word, r, e.msg);
		ck_assert_msg(strstr(e.msg, refused[i].text) || strstr(e.hint, refused[i].text),
			"%s: %s; %s", refused[i].word, e.msg, e.hint);
	}
	host_close(h);
}
END_TEST

SUITE("word", takes_what_people_have, refuses_the_rest)
