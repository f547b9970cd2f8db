/* SPDX-License-Identifier: MIT */
/*
 * An emulated test function: two BARs, one of them with pages of this process, MSI-X, INTx and
 * doorbells. The guest of test/guest/plug.c drives it while it is plugged and unplugged.
 */
#include "base/bits.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "suite.h"
#include "vmm/machine.h"
#include "vmm/pci/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { REG_SCRATCH, REG_RAISE = 4, REG_LINE = 8, REG_DOORBELL = 12, REG_DOORBELL_7 = 16 };
#define PORT_SCRATCH 0
#define PORT_DOORBELL 4
#define PAGES_OFF KIB(8)
#define PAGES_SIZE KIB(8)
#define BELLS 3

struct card;

struct bell {
	struct bus_doorbell doorbell;
	struct loop_source source;
	uint64_t rung;
};

struct card {
	struct endpoint endpoint;
	char *pages;
	uint32_t scratch, port_scratch;
	struct bell bells[BELLS];
	unsigned exits; /* writes to doorbells that left KVM */
	bool in_kvm; /* KVM signalled all of them */
	unsigned ejects;
	bool finished;
};

static struct machine machine;
static struct card cards[2];
static unsigned inserted;
static struct loop_source output; /* the guest's console */
static char said[4096];
static size_t said_count;

static void on_bell(struct loop_source *s, uint32_t events)
{
	eventfd_t count;

	if (eventfd_read(s->fd, &count) == 0)
		container_of(s, struct bell, source)->rung += count;
}

static uint64_t card_read(struct endpoint *p, unsigned bar, uint64_t off, unsigned size)
{
	const struct card *c = container_of(p, struct card, endpoint);

	if (bar == 2)
		return off == PORT_SCRATCH ? c->port_scratch : 0;
	return off == REG_SCRATCH ? c->scratch : off == REG_LINE ? p->intx_wanted : 0;
}

static void card_write(
	struct endpoint *p, unsigned bar, uint64_t off, unsigned size, uint64_t value)
{
	struct card *c = container_of(p, struct card, endpoint);

	if (bar == 2 && off == PORT_SCRATCH)
		c->port_scratch = (uint32_t)value;
	else if (bar == 0 && off == REG_SCRATCH)
		c->scratch = (uint32_t)value;
	else if (bar == 0 && off == REG_RAISE)
		func_msix_signal(&p->msix, (unsigned)value);
	else if (bar == 0 && off == REG_LINE)
		endpoint_set_intx(p, value);
	else
		c->exits++;
}

static void card_reset(struct endpoint *p)
{
	struct card *c = container_of(p, struct card, endpoint);

	c->scratch = c->port_scratch = 0;
}

static void card_eject(struct endpoint *p)
{
	container_of(p, struct card, endpoint)->ejects++;
}

static void card_fini(struct endpoint *p)
{
	struct card *c = container_of(p, struct card, endpoint);

	for (unsigned i = 0; i < BELLS; i++) {
		on_bell(&c->bells[i].source, 0);
		loop_remove(&machine.vm.loop, &c->bells[i].source);
		fd_close(&c->bells[i].source.fd);
	}
	(void)munmap(c->pages, PAGES_SIZE);
	c->finished = true;
}

static const struct endpoint_ops card_ops = {.name = "card",
	.read = card_read,
	.write = card_write,
	.reset = card_reset,
	.eject = card_eject,
	.fini = card_fini};

static void add_bell(struct card *c, unsigned n, unsigned bar, struct bus_doorbell d)
{
	struct bell *b = &c->bells[n];
	struct err e = {0};

	b->source = (struct loop_source){
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = on_bell};
	b->doorbell = d;
	b->doorbell.eventfd = b->source.fd;
	ck_assert_int_eq(loop_add(&machine.vm.loop, &b->source, &e), 0);
	ck_assert_msg(func_bar_add_doorbell(&c->endpoint.bars.bar[bar], &b->doorbell, &e) == 0,
		"%s", e.msg);
}

static void make_card(struct card *c)
{
	const struct endpoint_ids ids = {
		.vendor = 0x1b36, .device = 0xcafe, .class = 0xff0000, .revision = 1};
	const int flags = MAP_SHARED | MAP_ANONYMOUS;
	struct endpoint *p = &c->endpoint;
	struct err e = {0};

	endpoint_init(p, &machine.vm, &card_ops, &ids, 1);
	c->pages = mmap(NULL, PAGES_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
	ck_assert_ptr_ne(c->pages, MAP_FAILED);
	const struct func_span memory[] = {{.off = 0, .size = PAGES_OFF},
		{.off = PAGES_OFF, .size = PAGES_SIZE, .host = c->pages}};
	const struct func_span ports[] = {{.off = 0, .size = 16}};
	ck_assert_int_eq(
		endpoint_add_bar(p, 0, FUNC_BAR_MEM32, KIB(16), false, memory, COUNT(memory), &e),
		0);
	ck_assert_int_eq(
		endpoint_add_bar(p, 2, FUNC_BAR_IO, 16, false, ports, COUNT(ports), &e), 0);
	ck_assert_int_eq(endpoint_add_msix(p, 2, 0, 0x1000, 0x1800, &e), 0);
	add_bell(c, 0, 0, (struct bus_doorbell){.off = REG_DOORBELL, .size = 4});
	add_bell(c, 1, 0,
		(struct bus_doorbell){
			.off = REG_DOORBELL_7, .size = 4, .matches = true, .value = 7});
	add_bell(c, 2, 2, (struct bus_doorbell){.off = PORT_DOORBELL, .size = 4});
}

static void insert_card(void)
{
	struct card *c = &cards[inserted++];
	struct err e = {0};

	make_card(c);
	ck_assert_msg(pci_plug(&machine.vm, &c->endpoint.func, "card", &e) == 0, "%s", e.msg);
	pci_announce(&c->endpoint.func);
}

static void obey(const char *line)
{
	struct card *c = inserted ? &cards[inserted - 1] : NULL;

	if (strcmp(line, "plug: insert") == 0) {
		ck_assert_uint_lt(inserted, COUNT(cards));
		insert_card();
	} else if (c && strcmp(line, "plug: unplug") == 0) {
		c->in_kvm = c->bells[0].doorbell.in_kvm && c->bells[1].doorbell.in_kvm &&
			    c->bells[2].doorbell.in_kvm;
		pci_request_unplug(&c->endpoint.func);
	} else if (c && strcmp(line, "plug: pull") == 0) {
		pci_unplug(&c->endpoint.func);
	}
}

/* Handles the guest's lines. After a request, the guest waits. */
static void on_output(struct loop_source *s, uint32_t events)
{
	ssize_t n = read(s->fd, said + said_count, sizeof(said) - 1 - said_count);
	static size_t done;

	said_count += n > 0 ? (size_t)n : 0;
	for (char *end; (end = strchr(said + done, '\n')); done = (size_t)(end + 1 - said)) {
		char line[64] = "";
		memcpy(line, said + done, min_u64((size_t)(end - (said + done)), 63));
		line[strcspn(line, "\r")] = 0;
		obey(line);
	}
}

START_TEST(a_card_comes_and_goes)
{
	struct machine_spec spec = {.name = "hotplug",
		.memory = MIB(16),
		.cpus = 1,
		.kernel = {.fd = open(getenv("USHER_PLUG"), O_RDONLY | O_CLOEXEC), .name = "plug"},
		.initrd.fd = -1,
		.cmdline = "",
		.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC),
		.keeper_fd = -1,
		.calls_fd = -1,
		.orders_fd = -1,
		.interrupts_fd = -1,
		.ioas_fd = -1,
		.slots = 1};
	struct err e = {0};
	int ends[2], null = open("/dev/null", O_RDONLY);

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(ends[1], STDOUT_FILENO);
	ck_assert_msg(machine_init(&machine, &machine_reduced, &spec, &e) == 0, "%s", e.msg);
	ck_assert_msg(machine_equip(&machine, &e) == 0, "%s", e.msg);
	output = (struct loop_source){.fd = ends[0], .ready = on_output};
	ck_assert_int_eq(loop_add(&machine.vm.loop, &output, &e), 0);
	ck_assert_msg(machine_run(&machine, &e) == 0, "%s", e.msg);
	on_output(&output, 0);
	ck_assert_msg(strstr(said, "plug: done") != NULL, "'%s', %s", said, machine.vm.why);
	ck_assert_uint_eq(inserted, 2);
	ck_assert_uint_eq(cards[0].ejects, 1);
	ck_assert_uint_eq(cards[1].ejects, 1);
	ck_assert(cards[0].finished); /* the second device has that place */
	ck_assert(!cards[1].finished);
	machine_fini(&machine);
	ck_assert(cards[1].finished);
	/*
	 * KVM signals the doorbells. Only the value that does not match leaves KVM, once for each
	 * row.
	 */
	ck_assert(cards[0].in_kvm);
	ck_assert_uint_eq(cards[0].exits, 2);
	ck_assert_uint_eq(cards[1].exits, 1);
	for (unsigned i = 0; i < BELLS; i++) {
		ck_assert_uint_eq(cards[0].bells[i].rung, 9);
		ck_assert_uint_eq(cards[1].bells[i].rung, 1);
	}
	ck_assert_uint_eq(machine.vm.memory.count, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {a_card_comes_and_goes};
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = fd < 0 ? -1 : ioctl(fd, KVM_CREATE_VM, 0);

	if (vm < 0) {
		(void)printf("1..0 # SKIP no KVM: %s\n", strerror(errno));
		return 0;
	}
	(void)close(vm);
	(void)close(fd);
	return suite_run("hotplug", tests, COUNT(tests));
}
