/* SPDX-License-Identifier: MIT */
/* Devices, windows and interrupts of libusher, on a model. */
#include "lib/device.h"

#include "base/num.h"
#include "lib/plain_model.h"
#include "model/host.h"
#include "suite.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <usher/device.h>
#include <usher/dma.h>
#include <usher/err.h>
#include <usher/irq.h>
#include <usher/region.h>

static struct usher_device *dev;
static struct usher_window regs;

static void open_plain(void)
{
	plain_model_register();
	ck_assert_int_eq(usher_device_open("model:plain", NULL, &dev, NULL), 0);
	ck_assert_int_eq(
		usher_window_open(dev, USHER_BAR(0), 0, 0, USHER_UNCACHED, &regs, NULL), 0);
}

static void ask(uint32_t what)
{
	ck_assert_int_eq(usher_write32(&regs, PLAIN_ASK, what), 0);
}

START_TEST(parses_uris)
{
	static const char *const wrong[] = {"", "pci:", "pci:1:2", "0000:01:00.0", "fd:3", "fd:3,x",
		"fd:3,none", "fd:3,4,5,6", "fd:none,4", "fd:-1,4", "model:", "usb:1",
		"pci:0000:01:00.0,vf_token=1", "pci:0000:01:00.0,token=x"};
	struct device_uri u;
	struct usher_err e;

	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(device_uri_parse(wrong[i], &u, &e) == -EINVAL, "%s", wrong[i]);
	ck_assert_int_eq(device_uri_parse("pci:01:00.0", &u, &e), 0);
	ck_assert_str_eq(u.name, "0000:01:00.0");
	ck_assert_int_eq(device_uri_parse("pci:0000:01:00.0,vf_token="
					  "2ab74924-c335-45f4-9b16-8569e5b08258",
				 &u, &e),
		0);
	ck_assert_str_eq(u.name, "0000:01:00.0 vf_token=2ab74924-c335-45f4-9b16-8569e5b08258");
	ck_assert_int_eq(device_uri_parse("fd:3,4", &u, &e), 0);
	ck_assert(u.container == 3 && u.group == -1 && u.device == 4);
	ck_assert_int_eq(device_uri_parse("fd:3,none,5", &u, &e), 0);
	ck_assert(u.container == 3 && u.group == -1 && u.device == 5);
	ck_assert_int_eq(device_uri_parse("fd:3,4,5", &u, &e), 0);
	ck_assert(u.container == 3 && u.group == 4 && u.device == 5);
	ck_assert_int_eq(device_uri_parse("model:edu,fault=timeout", &u, &e), 0);
	ck_assert_str_eq(u.name, "edu");
	ck_assert_str_eq(u.arguments, "fault=timeout");
}
END_TEST

START_TEST(tells_what_the_space_can)
{
	struct usher_space *s = NULL;
	struct usher_region r;

	ck_assert_int_eq(usher_space_new(NULL, &s, NULL), 0);
	ck_assert_int_eq(usher_space_can(s, USHER_SPACE_UNMAP_ALL), 0); /* no back end yet */
	usher_space_free(s);
	open_plain();
	s = usher_device_space(dev);
	ck_assert_int_eq(usher_space_can(s, USHER_SPACE_COHERENT), 1);
	ck_assert_int_eq(usher_space_can(s, USHER_SPACE_UNMAP_ALL), 1);
	ck_assert_int_eq(usher_space_can(s, USHER_SPACE_UPDATE_VADDR), 0);
	ck_assert_int_eq(usher_space_can(s, 99), 0);
	ck_assert_int_eq(usher_region_info(dev, USHER_BAR(0), &r, NULL), 0);
	ck_assert(r.type == 0 && r.subtype == 0);
	ck_assert_uint_eq(usher_device_query(dev)->atomics, 0);
	usher_device_close(dev);
}
END_TEST

START_TEST(tells_what_is_not_there)
{
	struct usher_err e;

	ck_assert_int_eq(usher_device_open("model:none", NULL, &dev, &e), -ENODEV);
	ck_assert_str_eq(e.msg, "no model 'none' is registered");
	ck_assert_int_eq(usher_device_open("pci:ffff:ff:1f.7", NULL, &dev, &e), -ENODEV);
	ck_assert_int_eq(unsetenv("USHER_DEVICE"), 0);
	ck_assert_int_eq(usher_device_inherit(NULL, NULL, &dev, &e), -ENOENT);
	ck_assert_int_eq(setenv("USHER_DEVICE", "0000:01:00.0=fd:0,none,0", 1), 0);
	ck_assert_int_eq(usher_device_inherit("0000:02:00.0", NULL, &dev, &e), -ENOENT);
	ck_assert_int_lt(usher_device_inherit("0000:01:00.0", NULL, &dev, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.msg, "0000:01:00.0: "));
}
END_TEST

START_TEST(inherits_by_name)
{
	plain_model_register();
	ck_assert_int_eq(
		setenv("USHER_DEVICE", "0000:01:00.0=model:none 0000:02:00.0=model:plain", 1), 0);
	ck_assert_int_eq(usher_device_inherit("0000:02:00.0", NULL, &dev, NULL), 0);
	ck_assert_str_eq(usher_device_query(dev)->name, "0000:02:00.0");
	usher_device_close(dev);
}
END_TEST

START_TEST(knows_the_device)
{
	const struct usher_device_info *i;

	open_plain();
	i = usher_device_query(dev);
	ck_assert_uint_eq(i->vendor, 0x1b36);
	ck_assert_uint_eq(i->device, 0x7777);
	ck_assert_uint_eq(i->class_code, 0xff0000);
	ck_assert_int_gt(usher_config_find(dev, PCI_CAP_ID_MSIX), 0);
	ck_assert_int_eq(usher_config_find(dev, PCI_CAP_ID_VPD), -ENOENT);
	ck_assert_int_eq(usher_config_find_extended(dev, PCI_EXT_CAP_ID_ERR), -ENOENT);
	ck_assert(usher_device_can(dev, USHER_CAN_RESET));
	ck_assert(usher_device_can(dev, USHER_CAN_ADD_VECTORS));
	ck_assert(usher_device_can(dev, USHER_CAN_LOW_POWER));
	ck_assert(!usher_device_can(dev, USHER_CAN_HOT_RESET));
	ck_assert(!usher_device_can(dev, USHER_CAN_MIGRATE));
	usher_device_close(dev);
}
END_TEST

START_TEST(masters_the_bus_only_when_asked)
{
	struct usher_buffer b;
	char text[4] = "";

	open_plain();
	struct usher_model_device *m = usher_model_of(dev);
	ck_assert_int_eq(usher_buffer_alloc(usher_device_space(dev), 4096, 0, &b, NULL), 0);
	ck_assert_int_eq(usher_model_dma_write(m, b.iova, "dma", 4), -EPERM);
	ck_assert_int_eq(usher_device_master_on(dev, NULL), 0);
	ck_assert_int_eq(usher_model_dma_write(m, b.iova, "dma", 4), 0);
	ck_assert_str_eq(b.host, "dma");
	ck_assert_int_eq(usher_model_dma_read(m, b.iova, text, 4), 0);
	ck_assert_str_eq(text, "dma");
	ck_assert_int_eq(usher_device_reset(dev, NULL), 0);
	ck_assert_int_eq(usher_model_dma_write(m, b.iova, "dma", 4), -EPERM);
	usher_buffer_free(&b);
	usher_device_close(dev);
}
END_TEST

START_TEST(reads_registers_of_each_width)
{
	uint8_t a;
	uint16_t b;
	uint32_t c;
	uint64_t d;

	open_plain();
	for (int split = USHER_WHOLE; split <= USHER_HIGH_FIRST; split++) {
		regs.split = (enum usher_split)split;
		ck_assert_int_eq(usher_write64(&regs, 8, UINT64_C(0x1122334455667788)), 0);
		ck_assert_int_eq(usher_read64(&regs, 8, &d), 0);
		ck_assert_uint_eq(d, UINT64_C(0x1122334455667788));
		ck_assert_int_eq(usher_write64(&regs, 8, 0), 0);
		ck_assert_int_eq(usher_write32(&regs, 8, 0xffffffff), 0);
		ck_assert_int_eq(usher_read64(&regs, 8, &d),
			0); /* all-ones in one half do not mean that the device is gone */
		ck_assert_uint_eq(d, UINT32_MAX);
	}
	ck_assert_int_eq(usher_write8(&regs, 9, 0x5a), 0);
	ck_assert_int_eq(usher_read8(&regs, 9, &a), 0);
	ck_assert_int_eq(usher_read16(&regs, 8, &b), 0);
	ck_assert_int_eq(usher_read32(&regs, 8, &c), 0);
	ck_assert_uint_eq(a, 0x5a);
	ck_assert_uint_eq(b, 0x5aff);
	ck_assert_uint_eq(c, 0xffff5aff);
	ck_assert_int_eq(usher_read32(&regs, 4093, &c), -ERANGE);
	ck_assert_int_eq(usher_write64(&regs, UINT64_MAX, 0), -ERANGE);
	usher_device_close(dev);
	ck_assert_int_lt(usher_read32(&regs, 0, &c), 0); /* closed with the device */
}
END_TEST

START_TEST(survives_a_device_that_goes)
{
	struct usher_window memory;
	uint32_t v;

	open_plain();
	ck_assert_int_eq(
		usher_window_open(dev, USHER_BAR(2), 4096, 4096, USHER_UNCACHED, &memory, NULL), 0);
	ck_assert_ptr_nonnull((void *)(uintptr_t)memory.base);
	ck_assert_int_eq(usher_write32(&memory, 0, UINT32_MAX), 0);
	ck_assert_int_eq(usher_read32(&memory, 0, &v), 0); /* a register may be all-ones */
	ck_assert_int_eq(usher_window_flush(&memory, 0), 0);
	ask(PLAIN_VANISH);
	ck_assert_int_eq(usher_read32(&memory, 0, &v), -ENODEV);
	ck_assert_uint_eq(v, UINT32_MAX);
	ck_assert_int_eq(usher_write32(&memory, 0, 1), -ENODEV);
	ck_assert_int_eq(usher_read32(&regs, 0, &v), -ENODEV);
	ck_assert(usher_device_gone(dev));
	ck_assert_int_eq(usher_window_revive(&memory), -ENODEV);
	ck_assert_int_eq(usher_device_reset(dev, NULL), -ENODEV);
	ck_assert_int_eq(usher_irq_on(dev, USHER_MSIX, 1, NULL), 0);
	usher_device_close(dev);
}
END_TEST

static volatile sig_atomic_t passed_on;

static void on_bus(int sig)
{
	(void)sig;
	passed_on++;
	/* The second time: the first access detects it. */
	_exit(42);
}

/* An access after the end of a file raises SIGBUS, like a BAR with decoding off. */
static void open_dead_window(struct usher_window *w)
{
	open_plain();
	ck_assert_int_eq(usher_window_open(dev, USHER_BAR(2), 0, 8192, USHER_UNCACHED, w, NULL), 0);
	int fd = memfd_create("short", 0);
	void *base = (void *)(uintptr_t)w->base;
	ck_assert_ptr_ne(mmap(base, w->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
		MAP_FAILED);
	(void)close(fd);
}

static void window_comes_back(struct usher_window *w, uint64_t off)
{
	uint32_t v = 0;

	ck_assert_int_eq(usher_window_revive(w), 0);
	ck_assert_int_eq(usher_write32(w, off, 7), 0);
	ck_assert_int_eq(usher_read32(w, off, &v), 0);
	ck_assert_uint_eq(v, 7);
}

/* A thread of Go has a stack too small for a handler, and an alternate one beside it. */
START_TEST(handles_a_sigbus_on_the_alternate_stack)
{
	struct usher_window w;
	struct sigaction sa;

	open_dead_window(&w);
	ck_assert_int_eq(sigaction(SIGBUS, NULL, &sa), 0);
	ck_assert(sa.sa_flags & SA_ONSTACK);
	usher_device_close(dev);
}
END_TEST

START_TEST(turns_a_sigbus_into_an_error)
{
	struct usher_window w;
	uint32_t v;

	open_dead_window(&w);
	ck_assert_int_eq(usher_write32(&w, 0, 7), -ENODEV);
	ck_assert_int_eq(usher_read32(&w, 4096, &v), -ENODEV);
	ck_assert_uint_eq(v, UINT32_MAX);
	ck_assert(!usher_device_gone(dev));
	window_comes_back(&w, 0);
	usher_device_close(dev);
}
END_TEST

/* A read from a window that is gone must not return what was stored there before. */
START_TEST(a_dead_window_keeps_nothing)
{
	struct usher_window w;
	uint64_t d = 0;
	uint32_t c = 0;
	uint16_t b = 0;
	uint8_t a = 0;

	open_dead_window(&w);
	for (int split = USHER_WHOLE; split <= USHER_HIGH_FIRST; split++) {
		w.split = (enum usher_split)split;
		ck_assert_int_eq(usher_write64(&w, 8, UINT64_C(0x1122334455667788)), -ENODEV);
		ck_assert_int_eq(usher_read64(&w, 8, &d), -ENODEV);
		ck_assert_uint_eq(d, UINT64_MAX);
	}
	ck_assert_int_eq(usher_read32(&w, 8, &c), -ENODEV);
	ck_assert_int_eq(usher_read16(&w, 8, &b), -ENODEV);
	ck_assert_int_eq(usher_read8(&w, 8, &a), -ENODEV);
	ck_assert(c == UINT32_MAX && b == UINT16_MAX && a == UINT8_MAX);
	ck_assert_int_eq(usher_window_flush(&w, 8), -ENODEV);
	window_comes_back(&w, 8);
	usher_device_close(dev);
}
END_TEST

START_TEST(passes_other_faults_on)
{
	struct sigaction sa = {.sa_handler = on_bus};
	int fd = memfd_create("short", 0);
	volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	ck_assert_int_eq(sigaction(SIGBUS, &sa, NULL), 0);
	open_plain();
	ck_assert_int_eq(*p, 0); /* on_bus() ends it */
}
END_TEST

static int signals(enum usher_irq kind, uint32_t vector)
{
	int64_t n = usher_irq_wait(dev, kind, vector, 0);

	return n == -ETIMEDOUT ? 0 : (int)n;
}

START_TEST(masks_intx_at_each_signal)
{
	int resample = eventfd(0, EFD_NONBLOCK);

	open_plain();
	ck_assert_int_eq(usher_irq_unmask(dev, USHER_INTX), -EINVAL);
	ck_assert_int_eq(usher_irq_on(dev, USHER_INTX, 1, NULL), 0);
	ask(PLAIN_RAISE_INTX);
	ck_assert_int_eq(signals(USHER_INTX, 0), 1);
	ask(PLAIN_RAISE_INTX);
	ck_assert_int_eq(signals(USHER_INTX, 0), 0); /* masked */
	ck_assert_int_eq(usher_irq_unmask(dev, USHER_INTX), 0);
	ck_assert_int_eq(signals(USHER_INTX, 0), 1); /* the line is still asserted */
	ask(PLAIN_LOWER_INTX);
	ck_assert_int_eq(usher_irq_unmask(dev, USHER_INTX), 0);
	ck_assert_int_eq(signals(USHER_INTX, 0), 0);
	ck_assert_int_eq(usher_irq_mask(dev, USHER_INTX), 0);
	ask(PLAIN_RAISE_INTX);
	ck_assert_int_eq(signals(USHER_INTX, 0), 0);
	ck_assert_int_eq(usher_irq_resample(dev, USHER_INTX, resample), 0);
	ck_assert_int_eq(eventfd_write(resample, 1), 0);
	ask(PLAIN_RAISE_INTX);
	ck_assert_int_eq(signals(USHER_INTX, 0), 1);
	ck_assert_int_eq(usher_irq_on(dev, USHER_MSI, 1, NULL), -EBUSY);
	ck_assert_int_eq(usher_irq_off(dev, USHER_INTX, NULL), 0);
	ck_assert_int_eq(usher_irq_off(dev, USHER_INTX, NULL), 0);
	ck_assert_int_eq(usher_irq_wait(dev, USHER_INTX, 0, 0), -ENOENT);
	usher_device_close(dev);
}
END_TEST

START_TEST(adds_vectors)
{
	struct usher_irq_info i;

	open_plain();
	ck_assert_int_eq(usher_irq_query(dev, USHER_MSIX, &i), 0);
	ck_assert(i.count == 8 && i.growable && !i.maskable);
	ck_assert_int_eq(usher_irq_on(dev, USHER_MSIX, 9, NULL), -EINVAL);
	ck_assert_int_eq(usher_irq_add(dev, USHER_MSIX, 3, NULL), -EINVAL);
	ck_assert_int_eq(usher_irq_on(dev, USHER_MSIX, 2, NULL), 0);
	ck_assert_int_eq(usher_irq_on(dev, USHER_MSIX, 2, NULL), -EBUSY);
	ck_assert_int_eq(usher_irq_fd(dev, USHER_MSIX, 5), -ENOENT);
	ck_assert_int_eq(usher_irq_add(dev, USHER_MSIX, 5, NULL), 0);
	ck_assert_int_eq(usher_irq_add(dev, USHER_MSIX, 5, NULL), 0);
	ck_assert_int_eq(usher_irq_add(dev, USHER_MSIX, 8, NULL), -EINVAL);
	ck_assert_int_eq(usher_irq_fire(dev, USHER_MSIX, 5), 0);
	ck_assert_int_eq(signals(USHER_MSIX, 5), 1);
	ck_assert_int_eq(usher_irq_mask(dev, USHER_MSIX), -ENOTTY);
	ask(PLAIN_RAISE_MSI); /* lost: bus mastering is off */
	ck_assert_int_eq(usher_irq_wait(dev, USHER_MSIX, 0, 1), -ETIMEDOUT);
	ck_assert_int_eq(usher_device_master_on(dev, NULL), 0);
	ask(PLAIN_RAISE_MSI);
	ask(PLAIN_RAISE_MSI);
	ck_assert_int_eq(signals(USHER_MSIX, 0), 2);
	ck_assert_int_eq(usher_device_reset(dev, NULL), 0);
	ck_assert_int_eq(usher_irq_fd(dev, USHER_MSIX, 0), -ENOENT);
	usher_device_close(dev);
}
END_TEST

/* Before Linux 6.5 all vectors go off and on again to add one. */
START_TEST(adds_vectors_by_a_gap)
{
	struct usher_irq_info i;
	struct usher_err e;

	plain_model_register();
	ck_assert_int_eq(usher_device_open("model:plain,noresize,vectors=6", NULL, &dev, NULL), 0);
	ck_assert_int_eq(usher_irq_query(dev, USHER_MSIX, &i), 0);
	ck_assert(!i.growable && !usher_device_can(dev, USHER_CAN_ADD_VECTORS));
	ck_assert_int_eq(usher_irq_on(dev, USHER_MSIX, 7, &e), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(e.msg, "the kernel has only 6 vectors of MSI-X"));
	ck_assert_int_eq(usher_irq_on(dev, USHER_MSIX, 2, NULL), 0);
	int first = usher_irq_fd(dev, USHER_MSIX, 0);
	for (uint32_t v = 5; v < 8; v++) {
		/* There is a sixth vector, but no seventh and eighth. */
		ck_assert_int_eq(usher_irq_add(dev, USHER_MSIX, v, &e), v == 5 ? 0 : -ENOSPC);
		/* An interrupt may be lost in between, so all are signalled. */
		ck_assert_int_eq(signals(USHER_MSIX, 0), 1);
		ck_assert_int_eq(signals(USHER_MSIX, 1), 1);
		ck_assert_int_eq(signals(USHER_MSIX, 5), 1);
		ck_assert_int_eq(usher_irq_fd(dev, USHER_MSIX, v) >= 0, v == 5);
		ck_assert_int_eq(usher_irq_fire(dev, USHER_MSIX, 1), 0);
		ck_assert_int_eq(signals(USHER_MSIX, 1), 1);
		ck_assert_int_eq(usher_irq_fire(dev, USHER_MSIX, 5), 0);
		ck_assert_int_eq(signals(USHER_MSIX, 5), 1);
	}
	ck_assert_int_eq(usher_irq_fd(dev, USHER_MSIX, 0), first);
	/* Other devices took the vectors meanwhile: the old ones are lost, and usher reports it. */
	usher_model_of(dev)->vectors = 1;
	ck_assert_int_eq(usher_irq_add(dev, USHER_MSIX, 3, &e), -ENOSPC);
	ck_assert_int_eq(usher_irq_fd(dev, USHER_MSIX, 0), -ENOENT);
	ck_assert_int_eq(usher_irq_on(dev, USHER_MSIX, 1, NULL), 0);
	ck_assert_int_eq(usher_irq_fire(dev, USHER_MSIX, 0), 0);
	ck_assert_int_eq(signals(USHER_MSIX, 0), 1);
	usher_device_close(dev);
}
END_TEST

START_TEST(delivers_events)
{
	open_plain();
	ck_assert_int_eq(usher_irq_on(dev, USHER_REQ, 1, NULL), 0);
	ck_assert_int_eq(usher_irq_on(dev, USHER_ERR, 1, NULL), 0);
	ck_assert_int_eq(usher_irq_on(dev, USHER_MSI, 4, NULL), 0);
	ask(PLAIN_REQUEST);
	ck_assert_int_eq(signals(USHER_REQ, 0), 1);
	ck_assert_int_eq(signals(USHER_ERR, 0), 0);
	ask(PLAIN_ERROR);
	ck_assert_int_eq(signals(USHER_ERR, 0), 1);
	ck_assert_int_eq(usher_irq_off(dev, USHER_REQ, NULL), 0);
	ask(PLAIN_REQUEST);
	ck_assert_int_eq(usher_irq_fd(dev, USHER_REQ, 0), -ENOENT);
	usher_device_close(dev);
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const tests[] = {parses_uris, tells_what_the_space_can,
		tells_what_is_not_there, inherits_by_name, knows_the_device,
		masters_the_bus_only_when_asked, reads_registers_of_each_width,
		survives_a_device_that_goes, turns_a_sigbus_into_an_error,
		handles_a_sigbus_on_the_alternate_stack, a_dead_window_keeps_nothing,
		masks_intx_at_each_signal, adds_vectors, adds_vectors_by_a_gap, delivers_events};

	(void)argc;
	(void)argv;
	TCase *c = suite_case("lib_device", tests, COUNT(tests));
	tcase_add_exit_test(c, passes_other_faults_on, 42);
	return suite_run_case("lib_device", c);
}
