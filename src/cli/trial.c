/* SPDX-License-Identifier: MIT */
#include "cli/trial.h"

#include "base/clean.h"
#include "base/err.h"
#include "host/host.h"
#include "vfio/hotreset.h"
#include "vfio/irq.h"
#include "vfio/type1.h"
#include "view/card.h"
#include "view/size.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#define RESET_SHORTEST_NS 1000000 /* PCI 3.0, section 4.3.2: a reset line is asserted for 1 ms */
#define INTERRUPT_MS 2000 /* an interrupt takes microseconds; a busy machine may delay it */

static int open_device(struct trial *t, int group, struct err *e)
{
	char name[PCI_ADDRESS_TEXT];

	const struct vfio_member m = {.host = t->host, .name = name, .group = group};

	(void)pci_address_format(t->address, name);
	int r = vfio_ioas_open(&vfio_type1, &t->ioas, e);
	if (r < 0)
		return r;
	r = vfio_ioas_attach(&t->ioas, &m, &t->device, e);
	if (r < 0)
		return r;
	return vfio_region_info(&t->device, VFIO_PCI_CONFIG_REGION_INDEX, &t->config, e);
}

int trial_open(struct host *h, int group, struct pci_address a, struct card *card,
	struct trial *ret, struct err *e)
{
	uint64_t since = card_clock();
	struct trial t = {
		.host = h,
		.address = a,
		.card = card,
		.ioas = VFIO_IOAS_NONE,
		.device = VFIO_DEV_NONE,
	};

	int r = open_device(&t, group, e);
	if (r < 0) {
		card_add(card, "open", CARD_FAILED, since, "%s", e->msg);
		trial_close(&t);
		return r;
	}
	card->tried = true;
	card_add(card, "open", CARD_PASSED, since, "through /dev/vfio/%d", group);
	*ret = t;
	return 0;
}

void trial_close(struct trial *t)
{
	if (t->ioas.ops)
		vfio_ioas_detach(&t->ioas, &t->device);
	vfio_ioas_close(&t->ioas);
}

/*
 * BARs respond only while memory and I/O decoding are on. Bus mastering stays off and no memory is
 * mapped, so the device cannot access memory.
 */
static int decode_bars(struct trial *t)
{
	uint64_t command;

	int r = vfio_region_get(&t->device, &t->config, PCI_COMMAND, 2, &command);
	if (r == 0 && command != UINT16_MAX)
		r = vfio_region_put(&t->device, &t->config, PCI_COMMAND, 2,
			command | PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	return r;
}

static int first_register(struct trial *t, const struct vfio_region *r, uint32_t *ret)
{
	uint64_t n = 0;

	int x = vfio_region_get(&t->device, r, 0, 4, &n);
	*ret = (uint32_t)n;
	return x;
}

static bool bar_is_readable(const struct vfio_region *r)
{
	return r->size >= 4 && r->flags & VFIO_REGION_INFO_FLAG_READ;
}

static void look_at_bars(struct trial *t)
{
	char text[256] = "", size[32];
	uint64_t since = card_clock();
	enum card_mark mark = CARD_PASSED;
	int n = 0;

	if (decode_bars(t) < 0)
		mark = CARD_FAILED;
	for (unsigned i = 0; i < TRIAL_BARS; i++) {
		struct trial_bar *b = &t->bars[i];
		struct err e;

		if (vfio_region_info(&t->device, i, &b->region, &e) < 0 ||
			!bar_is_readable(&b->region))
			continue;
		int r = first_register(t, &b->region, &b->first);
		if (r < 0)
			mark = CARD_FAILED;
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%sBAR %u (%s) %s", n ? ", " : "",
			i, size_format(b->region.size, size, sizeof(size)),
			r < 0                    ? strerror(-r)
			: b->first == UINT32_MAX ? "answers all-ones"
						 : "answers");
		if ((size_t)n >= sizeof(text))
			break;
	}
	if (n == 0 && mark == CARD_PASSED)
		mark = CARD_SKIPPED;
	card_add(t->card, "BARs", mark, since, "%s", n ? text : "the device has no readable BAR");
}

void trial_look(struct trial *t)
{
	uint64_t since = card_clock();
	struct err e = {0};

	if (pci_config_read(t->host, t->address, &t->first, &e) < 0)
		card_add(t->card, "config space", CARD_FAILED, since, "%s", e.msg);
	else
		card_add(t->card, "config space", CARD_PASSED, since, "%zu bytes are readable",
			t->first.size);
	look_at_bars(t);
}

/* Registers that the kernel restores after a reset, and registers that never change. */
static const char *config_fault(const struct pci_config *was, const struct pci_config *now)
{
	if (pci_config_u32(was, PCI_VENDOR_ID) != pci_config_u32(now, PCI_VENDOR_ID) ||
		pci_config_u32(was, PCI_CLASS_REVISION) != pci_config_u32(now, PCI_CLASS_REVISION))
		return "it is another device now";
	for (unsigned off = PCI_BASE_ADDRESS_0; off <= PCI_BASE_ADDRESS_5; off += 4)
		if (pci_config_u32(was, off) != pci_config_u32(now, off))
			return "its BARs are not where they were";
	return NULL;
}

/* Writes the first fault to @buf; "" for none. */
static void find_fault(struct trial *t, char *buf, size_t size)
{
	struct pci_config now;
	struct err e = {0};

	buf[0] = '\0';
	if (pci_config_read(t->host, t->address, &now, &e) < 0) {
		(void)snprintf(buf, size, "%.150s", e.msg);
		return;
	}
	const char *fault = config_fault(&t->first, &now);
	if (fault || decode_bars(t) < 0) {
		(void)snprintf(buf, size, "%s",
			fault ? fault : "its command register takes no writes any more");
		return;
	}
	for (unsigned i = 0; i < TRIAL_BARS && !buf[0]; i++) {
		const struct trial_bar *b = &t->bars[i];
		uint32_t n;

		if (!bar_is_readable(&b->region))
			continue;
		int r = first_register(t, &b->region, &n);
		if (r < 0)
			(void)snprintf(buf, size, "BAR %u: %s", i, strerror(-r));
		else if (n == UINT32_MAX && b->first != UINT32_MAX)
			(void)snprintf(buf, size, "BAR %u does not answer any more", i);
	}
}

/* A reset as it began, to tell afterwards whether the kernel performed one. */
struct attempt {
	uint64_t since; /* [ns] */
	long waits; /* how often this thread had slept */
};

static long count_waits(void)
{
	struct rusage u;

	return getrusage(RUSAGE_THREAD, &u) < 0 ? 0 : u.ru_nvcsw;
}

static struct attempt attempt_begin(void)
{
	return (struct attempt){.since = card_clock(), .waits = count_waits()};
}

/*
 * Whether the kernel gave up on a method before it touched the device. The kernel returns ENOTTY
 * for a method that does not apply, but also for a bus that it did reset and whose link did not
 * come back. Every reset sleeps: a bus reset asserts the line for 2 ms, FLR waits for 100 ms.
 */
static bool was_not_performed(const struct attempt *a, int r)
{
	return r == -ENOTTY &&
	       (count_waits() == a->waits || card_clock() - a->since < RESET_SHORTEST_NS);
}

/* The device is looked at in every case: also a reset that the kernel calls failed may hit it. */
static bool judge_reset(
	struct trial *t, const char *step, int r, const struct attempt *a, const struct err *e)
{
	char fault[160];
	bool untouched = was_not_performed(a, r);
	uint64_t took = card_clock() - a->since;

	t->card->resets++;
	find_fault(t, fault, sizeof(fault));
	uint64_t since = card_clock() - took;
	if (r < 0 && fault[0])
		card_add(t->card, step, CARD_FAILED, since, "%.90s; then: %.150s",
			untouched ? "the kernel reports that it cannot be done here" : e->msg,
			fault);
	else if (untouched)
		card_add(t->card, step, CARD_SKIPPED, since,
			"the kernel reports that it cannot be done here");
	else if (r == -ENOTTY)
		card_add(t->card, step, CARD_FAILED, since,
			"the kernel performed it, and gave up waiting for the device");
	else if (r < 0)
		card_add(t->card, step, CARD_FAILED, since, "%s", e->msg);
	else
		card_add(t->card, step, fault[0] ? CARD_FAILED : CARD_PASSED, since, "%s",
			fault[0] ? fault : "config space and BARs answer as before");
	bool passed = r == 0 && !fault[0];
	t->card->resets_passed += passed;
	return passed;
}

bool trial_reset(struct trial *t, const char *method)
{
	struct attempt a = attempt_begin();
	struct err e = {0};
	char step[32];

	int r = vfio_dev_reset(&t->device, &e);
	(void)snprintf(step, sizeof(step), "reset %.24s", method);
	return judge_reset(t, step, r, &a, &e);
}

bool trial_hot_reset(struct trial *t)
{
	struct attempt a = attempt_begin();
	struct err e = {0};

	cleanup_free struct vfio_dependent *hit = NULL;
	int count = vfio_hotreset_info(&t->device, &hit, &e);
	if (count >= 0)
		a = attempt_begin();
	int r = count < 0 ? count : vfio_ioas_reset_bus(&t->ioas, &t->device, hit, (size_t)count);
	if (r < 0)
		(void)err_set(&e, r, "reset the bus of the device");
	return judge_reset(t, "hot reset", r, &a, &e);
}

/* Return: 1 the eventfd was signalled, 0 not in time, -errno. */
static int raise_interrupt(struct trial *t, uint32_t index)
{
	cleanup_fd int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (fd < 0)
		return -errno;
	int r = vfio_irq_set(&t->device, index, 0, &fd, 1);
	if (r)
		return r > 0 ? -ENOSPC : r;
	r = vfio_irq_fire(&t->device, index, 0, 1);
	if (r == 0)
		r = poll(&p, 1, INTERRUPT_MS) > 0 ? 1 : 0;
	(void)vfio_irq_disable(&t->device, index);
	return r;
}

void trial_interrupts(struct trial *t)
{
	static const struct {
		uint32_t index;
		const char *name;
	} kinds[] = {
		{VFIO_PCI_MSIX_IRQ_INDEX, "MSI-X"},
		{VFIO_PCI_MSI_IRQ_INDEX, "MSI"},
		{VFIO_PCI_INTX_IRQ_INDEX, "INTx"},
	};
	bool any = false;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		uint64_t since = card_clock();
		struct vfio_irqs irqs;

		if (vfio_irq_info(&t->device, kinds[i].index, &irqs, NULL) < 0 || !irqs.count)
			continue;
		any = true;
		int r = raise_interrupt(t, kinds[i].index);
		if (r == 1)
			card_add(t->card, kinds[i].name, CARD_PASSED, since,
				"the first of %u reaches an eventfd when VFIO raises it",
				irqs.count);
		else
			card_add(t->card, kinds[i].name, CARD_FAILED, since, "%s",
				r < 0 ? strerror(-r)
				      : "VFIO raised it, but the eventfd received nothing");
	}
	if (!any)
		card_add(t->card, "interrupts", CARD_SKIPPED, 0, "the device has none");
}
