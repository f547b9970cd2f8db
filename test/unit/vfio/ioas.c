/* SPDX-License-Identifier: MIT */
/* Three back ends, one table: see ioas_rows.h. */
#include "base/num.h"
#include "base/usher_err.h"
#include "lib/plain_model.h"
#include "lib/space.h"
#include "model/host.h"
#include "suite.h"
#include "vfio/ioas_rows.h"
#include "vfio/iommufd_shape.h"
#include "vfio/type1.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static unsigned rows;

static void row(const char *text, int expected, int found)
{
	rows++;
	ck_assert_msg(found == expected, "%s: %d, expected %d", text, found, expected);
}

static struct vfio_member plug(const char *name, const char *arguments)
{
	struct usher_model_device *d = NULL;

	ck_assert_int_eq(model_plug(model_find(name), arguments, &d), 0);
	return (struct vfio_member){.name = d->name, .group = d->group};
}

static void answers(const struct vfio_ioas_ops *ops)
{
	plain_model_register();
	struct ioas_bench b = {.ops = ops, .row = row};
	b.first = plug("plain", "");
	b.second = plug("edu", "");
	ioas_rows(&b);
	ck_assert_uint_gt(rows, 80);
}

START_TEST(the_kernel_s_back_end_keeps_the_table)
{
	answers(&vfio_type1);
}
END_TEST

START_TEST(models_keep_the_table)
{
	answers(&model_ioas);
}
END_TEST

START_TEST(a_back_end_of_iommufd_s_shape_keeps_the_table)
{
	answers(&iommufd_shape);
}
END_TEST

/* The space owns three groups. The kernel gets the two that the reset hits, each once. */
START_TEST(a_bus_reset_proves_what_it_hits)
{
	const struct vfio_ioas_ops *const all[] = {&vfio_type1, &model_ioas, &iommufd_shape};

	plain_model_register();
	struct vfio_member on_bus[] = {plug("plain", "bus=1"), plug("edu", "bus=1")};
	struct vfio_member beside = plug("nvme", "");
	for (size_t i = 0; i < COUNT(all); i++) {
		struct vfio_dependent *hit = NULL;
		struct vfio_dev d[3];
		struct vfio_ioas s;

		ck_assert_int_eq(vfio_ioas_open(all[i], &s, NULL), 0);
		ck_assert_int_eq(vfio_ioas_attach(&s, &beside, &d[2], NULL), 0);
		ck_assert_int_eq(vfio_ioas_attach(&s, &on_bus[0], &d[0], NULL), 0);
		int count = vfio_hotreset_info(&d[0], &hit, NULL);
		ck_assert_int_eq(count, 2);
		size_t missing = vfio_ioas_missing(&s, hit, 2);
		ck_assert_uint_lt(missing, 2);
		ck_assert_int_eq(hit[missing].group, on_bus[1].group);
		ck_assert_int_eq(vfio_ioas_reset_bus(&s, &d[0], hit, 2), -EPERM);
		ck_assert_int_eq(vfio_ioas_attach(&s, &on_bus[1], &d[1], NULL), 0);
		ck_assert_uint_eq(vfio_ioas_missing(&s, hit, 2), 2);
		ck_assert_int_eq(vfio_ioas_reset_bus(&s, &d[0], hit, 2), 0);
		free(hit);
		for (size_t k = 0; k < COUNT(d); k++)
			vfio_ioas_detach(&s, &d[k]);
		ck_assert_uint_eq(s.members, 0);
		vfio_ioas_close(&s);
	}
}
END_TEST

struct handed {
	int container, group, device;
};

/* Opens a device as another process would, that hands it over. @ready: all but the guest's part. */
static struct handed hand_over(const struct vfio_member *m, bool ready)
{
	struct handed h = {.device = -1};
	char path[32];

	(void)snprintf(path, sizeof(path), "/dev/vfio/%d", m->group);
	h.container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	h.group = open(path, O_RDWR | O_CLOEXEC);
	ck_assert(h.container >= 0 && h.group >= 0);
	if (!ready)
		return h;
	ck_assert_int_eq(ioctl(h.group, VFIO_GROUP_SET_CONTAINER, &h.container), 0);
	ck_assert_int_eq(ioctl(h.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	h.device = ioctl(h.group, VFIO_GROUP_GET_DEVICE_FD, m->name);
	ck_assert_int_ge(h.device, 0);
	return h;
}

static void expect_space(struct vfio_ioas *s)
{
	static _Alignas(4096) char memory[KIB(4)];

	ck_assert_int_eq(vfio_ioas_map(s, IOVA(0), memory, sizeof(memory), 3, NULL), 0);
	ck_assert_int_eq(vfio_ioas_unmap(s, IOVA(0), sizeof(memory), NULL), 0);
}

/* By its group, which may be in the container or not, or by itself. */
START_TEST(a_device_comes_by_a_descriptor)
{
	plain_model_register();
	struct vfio_member m = plug("plain", "");
	for (int i = 0; i < 3; i++) {
		const bool by_group = i < 2;
		struct handed h = hand_over(&m, i > 0);
		struct vfio_dev d, again;
		struct vfio_ioas s;

		ck_assert_int_eq(vfio_ioas_from_fd(h.container, &s, NULL), 0);
		if (i == 1)
			(void)close(h.device);
		ck_assert_int_eq(
			vfio_ioas_receive(&s, &m, by_group ? h.group : h.device, &d, NULL), 0);
		expect_space(&s);
		ck_assert_uint_eq(s.members, by_group ? 2 : 1);
		ck_assert_int_eq(vfio_ioas_kvm_file(&s, &d), by_group ? h.group : -ENOENT);
		vfio_ioas_detach(&s, &d);
		/* The group stays, for what comes later. */
		if (by_group) {
			ck_assert_int_eq(vfio_ioas_receive(&s, &m, h.group, &again, NULL), 0);
			ck_assert_uint_eq(s.members, 2);
			expect_space(&s);
			vfio_ioas_detach(&s, &again);
			ck_assert_uint_eq(s.members, 1);
		}
		vfio_ioas_close(&s);
		if (!by_group)
			(void)close(h.group);
	}
}
END_TEST

START_TEST(another_descriptor_is_no_device)
{
	struct err e = {0};
	struct vfio_dev d;
	struct vfio_ioas s;

	plain_model_register();
	struct vfio_member m = plug("plain", "");
	struct handed h = hand_over(&m, false);
	const int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(vfio_ioas_from_fd(h.container, &s, NULL), 0);
	ck_assert_int_eq(vfio_ioas_receive(&s, &m, other, &d, &e), -ENOTTY);
	ck_assert_ptr_nonnull(strstr(e.msg, "is neither a VFIO device nor a VFIO group"));
	ck_assert_uint_eq(s.members, 0);
	ck_assert_int_eq(vfio_ioas_from_fd(other, &s, &e), -ENOTTY);
	(void)close(other);
	(void)close(h.group);
	vfio_ioas_close(&s);
}
END_TEST

/* A space of libusher on a back end without groups. */
START_TEST(a_space_of_libusher_runs_on_any_of_them)
{
	static _Alignas(4096) char memory[KIB(16)];
	struct usher_space *s = NULL;
	struct usher_err e = {0};
	usher_iova_t iova, again;
	struct vfio_dev d;

	plain_model_register();
	struct vfio_member m = plug("plain", "");
	ck_assert_int_eq(usher_space_new(NULL, &s, &e), 0);
	ck_assert_int_eq(space_attach(s, &iommufd_shape, &m, &d, &e), 0);
	ck_assert_int_eq(usher_space_map(s, memory, sizeof(memory), USHER_DMA_BOTH, &iova, &e), 0);
	ck_assert_int_eq(usher_space_attach_group(s, m.group, &e), -ENOTSUP);
	space_detach(s, &d);
	/* The next device gets the existing mappings. */
	ck_assert_int_eq(space_attach(s, &iommufd_shape, &m, &d, &e), 0);
	ck_assert_int_eq(
		vfio_ioas_map(&s->ioas, IOVA(iova.v), memory, KIB(4), 3, err_from_usher(&e)),
		-EEXIST);
	ck_assert_int_eq(usher_space_unmap(s, iova, sizeof(memory), &e), 0);
	ck_assert_int_eq(usher_space_map(s, memory, KIB(4), USHER_DMA_BOTH, &again, &e), 0);
	ck_assert_uint_ne(again.v, iova.v);
	space_detach(s, &d);
	ck_assert_ptr_null(usher_space_free(s));
}
END_TEST

SUITE("vfio_ioas", the_kernel_s_back_end_keeps_the_table, models_keep_the_table,
	a_back_end_of_iommufd_s_shape_keeps_the_table, a_bus_reset_proves_what_it_hits,
	a_space_of_libusher_runs_on_any_of_them, a_device_comes_by_a_descriptor,
	another_descriptor_is_no_device)
