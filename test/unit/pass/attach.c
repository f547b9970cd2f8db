/* SPDX-License-Identifier: MIT */
/*
 * Cards that are attached while the guest runs; and failures, after which nothing is left of the
 * card.
 */
#include "base/err.h"
#include "base/num.h"
#include "pass/pass_rig.h"
#include "suite.h"
#include "vmm/pass/domain.h"
#include "vmm/pass/function.h"
#include "vmm/pass/pass.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

static struct vfio_model cards[2];
static unsigned opened; /* index in @cards; beyond them: a descriptor that is no device */
static int map_result; /* of a DMA mapping */
static char ram[KIB(64)] __attribute__((aligned(4096)));

/* Descriptors for devices and for the I/O address space, because models have none. */
int __wrap_vfio_dev_from_fd(int fd, struct vfio_dev *ret, struct err *e);
int __wrap_vfio_ioas_from_fd(int fd, struct vfio_ioas *ret, struct err *e);

int __wrap_vfio_dev_from_fd(int fd, struct vfio_dev *ret, struct err *e)
{
	if (opened == COUNT(cards))
		return err_set(e, -ENOTTY, "ask a device what it is");
	(void)close(fd);
	return vfio_dev_from_model(&vfio_model_ops, &cards[opened++], ret, e);
}

static int space_info(struct vfio_ioas *s, struct vfio_iommu *ret, struct err *e)
{
	*ret = (struct vfio_iommu){.page_sizes = 4096};
	return 0;
}

static int space_map(struct vfio_ioas *s, iova_t iova, void *host, uint64_t size, unsigned access)
{
	if (map_result < 0)
		return map_result;
	vfio_model_note(&rig.model, "dma+%" PRIx64 ":%" PRIx64, iova.v, size);
	return 0;
}

static int space_unmap(struct vfio_ioas *s, iova_t iova, uint64_t size, uint64_t *ret)
{
	vfio_model_note(&rig.model, "dma-%" PRIx64, iova.v);
	*ret = size;
	return 0;
}

static void space_close(struct vfio_ioas *s)
{
	vfio_model_note(&rig.model, "close");
	(void)close(s->fd);
}

static const struct vfio_ioas_ops space_ops = {.name = "space",
	.close = space_close,
	.info = space_info,
	.map = space_map,
	.unmap = space_unmap};

int __wrap_vfio_ioas_from_fd(int fd, struct vfio_ioas *ret, struct err *e)
{
	*ret = (struct vfio_ioas){.ops = &space_ops, .fd = fd};
	return 0;
}

static int file_new(void)
{
	int fd = memfd_create("handed-over", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static struct pass_spec spec_make(int ioas, uint8_t bus, uint8_t fn)
{
	return (struct pass_spec){
		.address = {.bus = bus, .fn = fn},
		.ioas = ioas,
		.group = bus,
		.device = file_new(),
		.rom_fd = -1,
	};
}

static void machine_start(void)
{
	const struct memory_range r = {.size = sizeof(ram), .host = ram};
	struct err e = {0};

	rig_start(suite_fixtures, "nvme");
	rig.shared = true;
	rig.vm.cure = (struct lock)LOCK_INIT(LOCK_CURE);
	ck_assert_int_eq(memory_add(&rig.vm.memory, &r, &e), 0);
	for (unsigned i = 0; i < COUNT(cards); i++)
		vfio_model_load(&cards[i], suite_fixtures, "nvme");
	rig_forget();
}

static void machine_stop(void)
{
	while (rig.vm.pass && rig.vm.pass->devices) {
		struct pass_dev *d = rig.vm.pass->devices;
		d->func.ops->fini(&d->func);
	}
	ck_assert_int_eq(memory_remove(&rig.vm.memory, GPA(0)), 0);
	pass_fini(&rig.vm);
	for (unsigned i = 0; i < COUNT(cards); i++)
		vfio_model_free(&cards[i]);
	rig_stop();
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Nothing is left of a refused card, and the guest has no new device. */
static void expect_refused(int code, const char *words, struct pass_spec *specs, size_t count)
{
	const struct pass_spec before = specs[0];
	const struct pass_domain *domain = rig.vm.pass;
	struct err e = {0};

	int r = pass_attach(&rig.vm, specs, count, &e);
	ck_assert_msg(r == code && strstr(e.msg, words), "%d: %s", r, e.msg);
	ck_assert(!is_open(before.ioas) && !is_open(before.device));
	ck_assert_ptr_eq(rig.vm.pass, domain);
	ck_assert_ptr_null(strstr(rig_log(), "announce"));
	for (unsigned i = 0; i < COUNT(cards); i++)
		for (unsigned k = 0; !domain && k < MODEL_IRQS; k++)
			ck_assert(cards[i].event_fds[k] <= 0 || !is_open(cards[i].event_fds[k]));
}

START_TEST(a_card_comes)
{
	struct pass_spec spec = spec_make(file_new(), 2, 0);
	struct err e = {0};

	machine_start();
	ck_assert_msg(pass_attach(&rig.vm, &spec, 1, &e) == 0, "%s", e.msg);
	ck_assert_str_eq(rig_log(), "dma+0:10000 announce");
	ck_assert_ptr_nonnull(rig.vm.pass);
	struct pass_dev *d = rig.vm.pass->devices;
	ck_assert_int_eq(d->group, 2);
	ck_assert_uint_eq(rig_config_read(d, PCI_VENDOR_ID, 4), 0x00101b36);
	machine_stop();
}
END_TEST

/* The keeper sends another descriptor of the same I/O address space. */
START_TEST(a_second_one_joins)
{
	int ioas = file_new(), again = fcntl(ioas, F_DUPFD_CLOEXEC, 0);
	struct pass_spec specs[] = {spec_make(ioas, 2, 0), spec_make(again, 3, 0)};
	struct err e = {0};

	machine_start();
	ck_assert_msg(pass_attach(&rig.vm, &specs[0], 1, &e) == 0, "%s", e.msg);
	rig_forget();
	ck_assert_msg(pass_attach(&rig.vm, &specs[1], 1, &e) == 0, "%s", e.msg);
	ck_assert_str_eq(rig_log(), "announce");
	ck_assert(!is_open(again));
	ck_assert_int_eq(rig.vm.pass->devices->group, 3);
	machine_stop();
}
END_TEST

START_TEST(functions_of_a_card_come_together)
{
	int ioas = file_new();
	struct pass_spec specs[] = {spec_make(ioas, 2, 0), spec_make(ioas, 2, 3)};
	struct err e = {0};

	machine_start();
	ck_assert_msg(pass_attach(&rig.vm, specs, 2, &e) == 0, "%s", e.msg);
	ck_assert_str_eq(rig_log(), "dma+0:10000 announce");
	for (struct pass_dev *d = rig.vm.pass->devices; d; d = d->next) {
		ck_assert_uint_eq(d->func.fn, d->address.fn);
		ck_assert_uint_eq(rig_config_read(d, PCI_HEADER_TYPE, 1), 0x80);
	}
	machine_stop();
}
END_TEST

static void all_is_undone(const char *log)
{
	ck_assert_str_eq(rig_log(), log);
	ck_assert_ptr_null(rig.vm.memory.listeners->next);
	machine_stop();
}

START_TEST(without_a_slot_all_is_undone)
{
	struct pass_spec spec = spec_make(file_new(), 2, 0);

	machine_start();
	rig.plug_error = -ENOSPC;
	expect_refused(-ENOSPC, "plug", &spec, 1);
	all_is_undone("dma+0:10000 dma-0 close");
}
END_TEST

static unsigned plug_tries;

static void guest_ends(void)
{
	plug_tries++;
	rig.vm.end = VM_POWEROFF;
}

/* The card before is not closed yet, and the guest ends: nobody waits for the slot any more. */
START_TEST(no_card_waits_for_a_guest_that_ends)
{
	struct pass_spec spec = spec_make(file_new(), 2, 0);

	machine_start();
	rig.plug_error = -EBUSY;
	rig.during_plug = guest_ends;
	expect_refused(-EBUSY, "plug", &spec, 1);
	ck_assert_uint_eq(plug_tries, 1);
	machine_stop();
}
END_TEST

START_TEST(without_dma_all_is_undone)
{
	struct pass_spec spec = spec_make(file_new(), 2, 0);

	machine_start();
	map_result = -ENOMEM;
	expect_refused(-ENOMEM, "for DMA", &spec, 1);
	all_is_undone("close");
}
END_TEST

/* The second function fails after usher-vmm has learned the first. */
START_TEST(a_file_that_is_no_device)
{
	int ioas = file_new();
	struct pass_spec specs[] = {spec_make(ioas, 2, 0), spec_make(ioas, 2, 1)};
	int second = specs[1].device;

	machine_start();
	opened = 1;
	expect_refused(-ENOTTY, "0000:02:00.1", specs, 2);
	ck_assert(!is_open(second));
	ck_assert_str_eq(rig_log(), "dma+0:10000 dma-0 close");
	machine_stop();
}
END_TEST

START_TEST(what_belongs_elsewhere)
{
	int ioas = file_new();
	struct pass_spec first = spec_make(ioas, 2, 0), other = spec_make(file_new(), 3, 0);
	struct pass_spec cards_two[] = {spec_make(ioas, 2, 0), spec_make(ioas, 3, 0)};
	struct err e = {0};

	machine_start();
	cards_two[0].ioas = cards_two[1].ioas = file_new();
	expect_refused(-EINVAL, "one at a time", cards_two, 2);
	ck_assert_msg(pass_attach(&rig.vm, &first, 1, &e) == 0, "%s", e.msg);
	rig_forget();
	expect_refused(-EINVAL, "share one", &other, 1);
	ck_assert_str_eq(rig_log(), "");
	machine_stop();
}
END_TEST

static int heard_early;

static void request_during_plug(void)
{
	struct epoll_event ev;

	ck_assert_int_eq(eventfd_write(cards[0].event_fds[VFIO_PCI_REQ_IRQ_INDEX], 1), 0);
	heard_early = epoll_wait(rig.vm.loop.epoll_fd, &ev, 1, 0);
}

/*
 * The host wants the card back before it is in its slot. The loop then presses the slot's button.
 */
START_TEST(a_request_waits_for_the_slot)
{
	struct pass_spec spec = spec_make(file_new(), 2, 0);
	struct err e = {0};

	machine_start();
	rig.during_plug = request_during_plug;
	ck_assert_msg(pass_attach(&rig.vm, &spec, 1, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(heard_early, 0);
	rig_forget();
	rig_serve();
	ck_assert_str_eq(rig_log(), "ask");
	machine_stop();
}
END_TEST

SUITE("attach", a_card_comes, a_second_one_joins, functions_of_a_card_come_together,
	without_a_slot_all_is_undone, no_card_waits_for_a_guest_that_ends,
	without_dma_all_is_undone, a_file_that_is_no_device, what_belongs_elsewhere,
	a_request_waits_for_the_slot)
