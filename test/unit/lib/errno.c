/* SPDX-License-Identifier: MIT */
/* The model in the library answers as the kernel does: see errno_rows.h. */
#include "base/num.h"
#include "lib/errno_rows.h"
#include "lib/plain_model.h"
#include "model/host.h"
#include "suite.h"

static struct usher_model_device *plugged, *beside[2];
static unsigned rows;

static int open_group(struct errno_bench *b, struct vfio_group *ret)
{
	(void)b;
	return vfio_group_open(NULL, plugged->group, ret, NULL);
}

static void row(const char *text, int expected, int found)
{
	rows++;
	ck_assert_msg(found == expected, "%s: %d, expected %d", text, found, expected);
}

/* Two devices on one bus, each in a group of its own. */
static void open_other(struct errno_bench *b, struct vfio_container *c)
{
	static struct vfio_group groups[2];

	ck_assert_int_eq(vfio_container_open(c, NULL), 0);
	for (unsigned i = 0; i < COUNT(groups); i++) {
		ck_assert_int_eq(model_plug(model_find("plain"), "noreset,bus=1", &beside[i]), 0);
		ck_assert_int_eq(vfio_group_open(NULL, beside[i]->group, &groups[i], NULL), 0);
		ck_assert_int_eq(vfio_group_set_container(&groups[i], c, NULL, NULL), 0);
		b->other_groups[i] = groups[i].fd;
	}
	ck_assert_int_eq(vfio_container_set_iommu(c, NULL), 0);
	ck_assert_int_eq(vfio_group_device(&groups[0], beside[0]->name, &b->other, NULL), 0);
	b->other_group_count = COUNT(groups);
}

static void limit_entries(int container, unsigned entries)
{
	struct model_container *c = model_container_get(container);

	c->entry_limit = entries;
	model_container_put_group(c);
}

START_TEST(answers_as_the_kernel_does)
{
	struct errno_bench b = {.group = open_group, .row = row, .entries = 64};
	struct vfio_container other;

	plain_model_register();
	ck_assert_int_eq(model_plug(model_find("plain"), "", &plugged), 0);
	ck_assert_int_eq(vfio_container_open(&b.c, NULL), 0);
	ck_assert_int_eq(vfio_group_open(NULL, plugged->group, &b.g, NULL), 0);
	limit_entries(b.c.fd, b.entries);
	b.name = plugged->name;
	open_other(&b, &other);
	errno_rows(&b);
	ck_assert_uint_gt(rows, 130);
}
END_TEST

SUITE("lib_errno", answers_as_the_kernel_does)
