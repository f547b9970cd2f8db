/* SPDX-License-Identifier: MIT */
#include "control/request.h"

#include "base/err.h"
#include "control/purpose.h"
#include "suite.h"

#include <errno.h>
#include <string.h>

static struct control_request request;
static struct err err;

static int parse(const char *line)
{
	err = (struct err){0};
	return control_request_parse(line, strlen(line), &request, &err);
}

static void expect_refusal(const char *line, const char *why)
{
	ck_assert_int_eq(parse(line), -EINVAL);
	ck_assert_msg(strstr(err.msg, why) != NULL, "'%s': %s", line, err.msg);
}

START_TEST(a_change_names_devices)
{
	ck_assert_int_eq(parse("{\"command\":\"attach\",\"devices\":[\"0000:03:00.0\",\"04:00.1\"],"
			       "\"allow\":[\"net\"]}"),
		0);
	ck_assert_uint_eq(request.devices.count, 2);
	ck_assert_str_eq(request.devices.list[1], "04:00.1");
	ck_assert_uint_eq(request.allow.count, 1);
	ck_assert_str_eq(request.allow.list[0], "net");
	ck_assert_int_eq(parse("{\"command\":\"detach\",\"devices\":[\"03:00.0\"]}"), 0);
	ck_assert_uint_eq(request.timeout_s, CONTROL_DETACH_S);
	ck_assert_int_eq(
		parse("{\"command\":\"detach\",\"timeout\":0,\"devices\":[\"03:00.0\"]}"), 0);
	ck_assert_uint_eq(request.timeout_s, 0);
}
END_TEST

START_TEST(a_change_of_nothing_is_none)
{
	expect_refusal("{\"command\":\"attach\"}", "the request has no devices");
	expect_refusal("{\"command\":\"attach\",\"devices\":[]}", "the request has no devices");
	expect_refusal("{\"command\":\"attach\",\"devices\":\"03:00.0\"}", "is not a list");
	expect_refusal("{\"command\":\"attach\",\"devices\":{\"a\":\"03:00.0\"}}", "is not a list");
	expect_refusal("{\"command\":\"attach\",\"devices\":[7]}", "is not a list");
	expect_refusal("{\"command\":\"attach\",\"devices\":[\"\"]}", "is not a list");
	expect_refusal("{\"command\":\"attach\",\"devices\":[\"0000000000000000:03:00.0\"]}",
		"of 1 to 23 bytes");
	expect_refusal("{\"command\":\"attach\",\"devices\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,"
		       "16,17]}",
		"at most 16");
	expect_refusal("{\"command\":\"state\",\"devices\":[\"03:00.0\"]}", "takes no 'devices'");
}
END_TEST

START_TEST(a_number_has_63_bits)
{
	expect_refusal("{\"command\":\"state\",\"id\":-99999999999999999999}", "not an integer");
	expect_refusal("{\"command\":\"balloon\",\"size\":9223372036854775808}",
		"size is not a number of bytes");
	ck_assert_int_eq(parse("{\"command\":\"state\",\"id\":9223372036854775806}"), 0);
	ck_assert_int_eq(request.id, INT64_MAX - 1);
}
END_TEST

START_TEST(a_detach_skips_no_check_and_has_a_bound)
{
	expect_refusal("{\"command\":\"detach\",\"devices\":[\"03:00.0\"],\"allow\":[]}",
		"takes no 'allow'");
	expect_refusal("{\"command\":\"detach\",\"devices\":[\"03:00.0\"],\"timeout\":3601}",
		"from 0 to 3600");
	expect_refusal("{\"command\":\"attach\",\"devices\":[\"03:00.0\"],\"timeout\":3}",
		"takes no 'timeout'");
}
END_TEST

START_TEST(a_restriction_names_commands)
{
	ck_assert_int_eq(parse("{\"command\":\"restrict\",\"to\":[\"state\",\"stop\"]}"), 0);
	ck_assert_uint_eq(request.commands,
		control_command_bit(CONTROL_STATE) | control_command_bit(CONTROL_STOP));
	expect_refusal("{\"command\":\"restrict\"}", "permits no command");
	expect_refusal("{\"command\":\"restrict\",\"to\":[]}", "permits no command");
	expect_refusal("{\"command\":\"restrict\",\"to\":[\"state\",\"sleep\"]}",
		"unknown command 'sleep'");
	expect_refusal("{\"command\":\"state\",\"to\":[\"state\"]}", "takes no 'to'");
}
END_TEST

/* What usherd sends is understood, and no connection of others gives or takes a device. */
START_TEST(each_purpose_is_a_restriction)
{
	static const char *const purposes[] = {"watch", "console", "stop", "control"};

	for (size_t i = 0; i < sizeof(purposes) / sizeof(purposes[0]); i++) {
		const struct control_purpose *p = control_purpose_find(purposes[i]);
		ck_assert_ptr_nonnull(p);
		ck_assert_int_eq(control_request_parse(p->restriction, strlen(p->restriction) - 1,
					 &request, &err),
			0);
		ck_assert_uint_eq(request.commands & (control_command_bit(CONTROL_ATTACH) |
							     control_command_bit(CONTROL_DETACH)),
			0);
		ck_assert(request.commands & control_command_bit(CONTROL_STATE));
	}
	ck_assert_ptr_null(control_purpose_find("attach"));
}
END_TEST

SUITE("control_request", a_change_names_devices, a_change_of_nothing_is_none, a_number_has_63_bits,
	a_detach_skips_no_check_and_has_a_bound, a_restriction_names_commands,
	each_purpose_is_a_restriction)
