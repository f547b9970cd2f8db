/* SPDX-License-Identifier: MIT */
#include "libvirt/plug.h"

#include "base/err.h"
#include "suite.h"

#include <errno.h>

/* A domain of a libvirt that refuses function @refused. */
static bool configured[8];
static int refused;

int libvirt_guest_attach(
	struct libvirt_guest *g, struct pci_address a, enum libvirt_scope scope, struct err *e)
{
	ck_assert_int_eq(scope, LIBVIRT_CONFIG);
	if (a.fn == refused)
		return err_say(e, -EIO, "no room");
	ck_assert(!configured[a.fn]);
	configured[a.fn] = true;
	return 0;
}

int libvirt_guest_detach(
	struct libvirt_guest *g, struct pci_address a, enum libvirt_scope scope, struct err *e)
{
	ck_assert_int_eq(scope, LIBVIRT_CONFIG);
	ck_assert(configured[a.fn]);
	configured[a.fn] = false;
	return 0;
}

int libvirt_guest_state(struct libvirt_guest *g, struct libvirt_state *ret, struct err *e)
{
	*ret = (struct libvirt_state){0};
	return 0;
}

void libvirt_state_fini(struct libvirt_state *s)
{
}

/* A group of functions 0 to 3, and function 3 is in the configuration already. */
static int plug(int refuses, struct err *e)
{
	struct bind_member members[4] = {0};
	struct bind_group group = {.count = 4, .members = members};
	const struct bind_plan plan = {.group_count = 1, .groups = &group};
	struct libvirt_device had = {.address = {.fn = 3}};
	const struct libvirt_state state = {.configured = {.devices = &had, .count = 1}};
	const struct libvirt_plug p = {.state = &state};

	for (uint8_t i = 0; i < 4; i++) {
		members[i].device.address.fn = i;
		members[i].act = BIND_ACT_TAKE;
		configured[i] = i == 3;
	}
	refused = refuses;
	return libvirt_plug_config(&p, &plan, e);
}

START_TEST(a_configuration_gets_the_whole_group)
{
	struct err e = {0};

	ck_assert_msg(plug(-1, &e) == 3, "%s", e.msg);
	ck_assert(configured[0] && configured[1] && configured[2] && configured[3]);
}
END_TEST

START_TEST(a_configuration_gets_no_part_of_a_group)
{
	struct err e = {0};

	ck_assert_int_eq(plug(2, &e), -EIO);
	ck_assert_str_eq(e.msg, "no room");
	ck_assert(!configured[0] && !configured[1] && configured[3]);
}
END_TEST

SUITE("libvirt_plug", a_configuration_gets_the_whole_group, a_configuration_gets_no_part_of_a_group)
