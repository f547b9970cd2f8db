/* SPDX-License-Identifier: MIT */
/* The model in the library says what the kernel says: see errno_rows.h. */
#include "suite.h"

#include "errno_rows.h"
#include "model/host.h"
#include "plain_model.h"

static struct usher_model_device *plugged;
static unsigned rows;

static int open_group(struct errno_bench *b, struct vfio_group *ret)
{
	(void)b;
	return model_group_open(plugged, ret);
}

static void row(const char *text, int expected, int found)
{
	rows++;
	ck_assert_msg(found == expected, "%s: %d, expected %d", text, found, expected);
}

START_TEST(answers_as_the_kernel_does)
{
	struct errno_bench b = {.group = open_group, .row = row};

	plain_model_register();
	ck_assert_int_eq(model_plug(model_find("plain"), "", &plugged), 0);
	ck_assert_int_eq(model_container_open(&b.c), 0);
	ck_assert_int_eq(model_group_open(plugged, &b.g), 0);
	b.name = plugged->name;
	errno_rows(&b);
	ck_assert_uint_gt(rows, 90);
	model_unplug(plugged);
}
END_TEST

SUITE("lib_errno", answers_as_the_kernel_does)
