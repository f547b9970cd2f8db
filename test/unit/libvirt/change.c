/* SPDX-License-Identifier: MIT */
#include "libvirt/change.h"

#include "libvirt/calls.h"
#include "suite.h"
#include "wire/order.h"

#include <errno.h>
#include <string.h>

static const char xml[] =
	"<devices>\n"
	"<interface type='user'>\n<mac address='02:00:00:00:00:01'/>\n</interface>\n"
	"<disk/>\n"
	"<interface type='ethernet'>\n<target dev='tap0'/>\n</interface>\n"
	"</devices>\n";

/* What libvirt was asked for. */
static char asked[256];
static unsigned long long file_size, new_size;
static int result;

static int fake_info(
	virDomainPtr domain, const char *target, virDomainBlockInfoPtr ret, unsigned int flags)
{
	(void)snprintf(asked, sizeof(asked), "%s", target);
	*ret = (virDomainBlockInfo){.capacity = 512, .allocation = 512, .physical = file_size};
	return result;
}

static int fake_resize(
	virDomainPtr domain, const char *target, unsigned long long size, unsigned int flags)
{
	ck_assert_str_eq(target, asked);
	ck_assert_uint_eq(flags, VIR_DOMAIN_BLOCK_RESIZE_BYTES);
	new_size = size;
	return result;
}

static int fake_update(virDomainPtr domain, const char *text, unsigned int flags)
{
	(void)snprintf(asked, sizeof(asked), "%s", text);
	ck_assert_uint_eq(flags, VIR_DOMAIN_DEVICE_MODIFY_LIVE);
	return result;
}

static void fake_libvirt(void)
{
	vir.virDomainGetBlockInfo = fake_info;
	vir.virDomainBlockResize = fake_resize;
	vir.virDomainUpdateDeviceFlags = fake_update;
	file_size = 4096;
	new_size = 0;
	result = 0;
	asked[0] = '\0';
}

static int resize(const char *places, uint64_t place, uint64_t size, struct wire_done *ret)
{
	const struct change c = {.places = places, .xml = xml};
	const struct wire_order o = {.disk = place, .size = size};

	fake_libvirt();
	return change_size(&c, NULL, &o, ret);
}

/* A disk is vda, vdb, … by its rank among the disks. Without a size, the file's is the new one. */
START_TEST(a_disk_grows)
{
	struct wire_done done;

	ck_assert_int_eq(resize("d", 0, 8192, &done), 0);
	ck_assert_str_eq(asked, "vda");
	ck_assert_uint_eq(new_size, 8192);
	ck_assert_int_eq(strncmp(done.text, "{\"size\":8192}", done.length), 0);
	ck_assert_uint_eq(done.length, strlen("{\"size\":8192}"));
	ck_assert_int_eq(resize("-dcfd", 4, 4096, &done), 0);
	ck_assert_str_eq(asked, "vdc");
	ck_assert_int_eq(resize("-dcfd", 3, 0, &done), 0);
	ck_assert_str_eq(asked, "vdb");
	ck_assert_uint_eq(new_size, 4096);
}
END_TEST

START_TEST(a_disk_does_not_grow)
{
	struct wire_done done;
	const struct change c = {.places = "d"};
	const struct wire_order o = {.size = 8192};

	ck_assert_int_eq(resize("dc-", 1, 8192, &done), -ENODEV);
	ck_assert_int_eq(resize("dc-", 2, 8192, &done), -ENODEV);
	ck_assert_int_eq(resize("dc-", 3, 8192, &done), -ENODEV);
	ck_assert_int_eq(resize("f", 0, 8192, &done), -EINVAL);
	ck_assert_int_eq(resize("d", 0, 4095, &done), -ERANGE);
	ck_assert_uint_eq(new_size, 0);
	result = -1;
	ck_assert_int_eq(change_size(&c, NULL, &o, &done), -EIO);
}
END_TEST

START_TEST(a_link_goes_down_and_up)
{
	struct change c = {.places = "cdc", .xml = xml};
	struct wire_order o = {.card = 2};

	fake_libvirt();
	ck_assert_int_eq(change_link(&c, NULL, &o), 0);
	ck_assert_str_eq(asked, "<interface type='ethernet'>\n<target dev='tap0'/>\n"
				"<link state='down'/></interface>");
	ck_assert_int_eq(change_link(&c, NULL, &o), -EALREADY);
	o.flags = WIRE_ORDER_UP;
	ck_assert_int_eq(change_link(&c, NULL, &o), 0);
	ck_assert_ptr_nonnull(strstr(asked, "<link state='up'/></interface>"));
	ck_assert_int_eq(change_link(&c, NULL, &o), -EALREADY);
	/* The other card has a link of its own. */
	o = (struct wire_order){.card = 0};
	ck_assert_int_eq(change_link(&c, NULL, &o), 0);
	ck_assert_ptr_nonnull(strstr(asked, "<interface type='user'>"));
	ck_assert_ptr_null(strstr(asked, "tap0"));
}
END_TEST

START_TEST(a_link_stays_when_libvirt_refuses)
{
	struct change c = {.places = "c-", .xml = xml};
	struct wire_order o = {.card = 1};

	fake_libvirt();
	ck_assert_int_eq(change_link(&c, NULL, &o), -ENODEV);
	o.card = UINT64_MAX;
	ck_assert_int_eq(change_link(&c, NULL, &o), -ENODEV);
	o.card = 0;
	result = -1;
	ck_assert_int_eq(change_link(&c, NULL, &o), -EIO);
	ck_assert_uint_eq(c.down, 0);
}
END_TEST

SUITE("libvirt_change", a_disk_grows, a_disk_does_not_grow, a_link_goes_down_and_up,
	a_link_stays_when_libvirt_refuses)
