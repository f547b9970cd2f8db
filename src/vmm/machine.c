/* SPDX-License-Identifier: MIT */
#include "vmm/machine.h"

#include "base/bits.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "base/signals.h"
#include "pci/address.h"
#include "vmm/acpi/acpi.h"
#include "vmm/copy.h"
#include "vmm/cpu.h"
#include "vmm/cpuid.h"
#include "vmm/devices.h"
#include "vmm/load.h"
#include "vmm/pass/reset.h"
#include "vmm/pci/firmware.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

/*
 * How it works
 *
 * machine_init() runs the table of steps at the end of this file, from top to bottom, until the
 * first that needs a lent device or another program: the keeper opens devices and starts programs
 * meanwhile. machine_equip() runs the rest. --timing names its phases after them. A reboot runs
 * the table's second column: memory stays pinned and mapped for DMA, the devices stay open and are
 * reset, and everything in KVM is made again.
 *
 * Guest-physical memory:
 *   0           RAM; start info at 0x6000, command line at 0x20000
 *   0xe0000     ACPI tables; at 0xffff0 the reset vector (in RAM, reserved in the map)
 *   1 MiB       RAM: the kernel where its ELF file says; the initrd at the top
 *   0xc0000000  window for 32-bit BARs
 *   0xe8000000  ECAM
 *   0xfec00000  IOAPIC, LAPIC; at the end KVM's own pages
 *   4 GiB       RAM again
 *   above       window for 64-bit BARs
 *
 * RAM has holes where the IOMMU reserves addresses (vfio/layout).
 */
const struct machine_map machine_reduced = {
	.name = "reduced",
	.io = {.base = LAYOUT_IO_BASE, .size = LAYOUT_IO_SIZE},
	.mem32 = {.base = LAYOUT_MEM32_BASE, .size = LAYOUT_MEM32_SIZE},
	.ecam = {.base = 0xe8000000, .size = MIB(PCI_BUSES_MAX)},
	.ioapic = 0xfec00000,
	.lapic = 0xfee00000,
	.identity = 0xfeffc000,
	.tss = 0xfeffd000,
	.tables = {.base = 0xe0000, .size = POWER_VECTOR - 0xe0000},
};

#define MEMORY_MIN MIB(4)

/*
 * At the end, the time that a reader of our messages has: without reading a byte, and in all. The
 * thread that writes them has this time too, and on a busy host it waits for a processor.
 */
#define MESSAGES_IDLE_MS 1000
#define MESSAGES_LAST_MS 2000

/* How long a reset of a device may take; the kernel allows 60 s. */
#define RESET_STEP_MS 100
#define RESET_MAX_MS 90000
#define END_MS 3000 /* the same when usher-vmm ends */

static int open_kvm(struct machine *m, struct err *e)
{
	int r = vm_init(&m->vm, m->spec->name, m->spec->kvm_fd, e);

	m->vm.packed_rings = m->spec->packed_rings;
	m->vm.interrupts_fd = m->spec->interrupts_fd;
	m->vm.keeper = &m->keeper;
	return r;
}

WALL_CALL(main, sysinfo);

static int check_memory(const struct machine *m, struct err *e)
{
	uint64_t size = m->spec->memory;
	uint64_t host = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	if (size < MEMORY_MIN)
		return err_say(e, -EINVAL,
			"give the guest %" PRIu64 " bytes of memory: less than %" PRIu64 " MiB",
			size, (uint64_t)MEMORY_MIN >> 20);
	if (size & (MEMORY_PAGE - 1))
		return err_say(e, -EINVAL,
			"give the guest %" PRIu64 " bytes of memory: not whole pages", size);
	if (size > host)
		return err_say(e, -ENOMEM,
			"give the guest %" PRIu64 " MiB of memory: this host has %" PRIu64,
			size >> 20, host >> 20);
	return 0;
}

/* The addresses that the IOMMU of the passed-through devices translates; all if there are none. */
static int ask_iommu(struct machine *m, struct err *e)
{
	struct vfio_ioas ioas = VFIO_IOAS_NONE;

	m->iommu = (struct vfio_iommu){0};
	if (m->spec->ioas_fd < 0)
		return 0;
	int r = vfio_ioas_from_fd(m->spec->ioas_fd, &ioas, e);
	if (r < 0) {
		(void)close(m->spec->ioas_fd);
		return r;
	}
	r = vfio_ioas_info(&ioas, &m->iommu, e);
	vfio_ioas_close(&ioas);
	return r;
}

static int lay_out(struct machine *m, struct err *e)
{
	int r = check_memory(m, e);

	if (r >= 0)
		r = ask_iommu(m, e);
	if (r >= 0)
		r = cpuid_read(&m->vm, e);
	if (r < 0)
		return r;
	const struct layout_cpu cpu = {
		.phys_bits = cpuid_phys_bits(m->vm.cpuid), .amd = cpuid_is_amd(m->vm.cpuid)};
	r = layout_make(
		m->spec->memory, &cpu, m->iommu.ranges, m->iommu.range_count, &m->layout, e);
	if (r >= 0)
		m->vm.phys_bits = m->layout.bits;
	return r;
}

static int make_memory(struct machine *m, struct err *e)
{
	struct memory *mem = &m->vm.memory;
	struct memory_step place[LAYOUT_RANGES_MAX];
	uint64_t done = 0;

	int r = memory_init(mem, m->spec->memory, m->spec->backing, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < m->layout.count; i++) {
		place[i] = (struct memory_step){
			.action = MEMORY_ADD,
			.range = {.gpa = GPA(m->layout.ram[i].base),
				.size = m->layout.ram[i].size,
				.host = (char *)mem->ram + done},
		};
		done += m->layout.ram[i].size;
	}
	return memory_change(mem, place, m->layout.count, e);
}

WALL_CALL(main, ioctl, KVM_SET_IDENTITY_MAP_ADDR, KVM_SET_TSS_ADDR);

static int place_kvms_pages(struct machine *m, struct err *e)
{
	uint64_t identity = m->map->identity;

	/*
	 * Only Intel processors without unrestricted guest mode use them. KVM wants them before the
	 * vCPUs.
	 */
	if (ioctl(m->vm.fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 ||
		ioctl(m->vm.fd, KVM_SET_TSS_ADDR, (unsigned long)m->map->tss) < 0)
		return err_set(e, -errno, "place KVM's own pages");
	return 0;
}

static int make_irqs(struct machine *m, struct err *e)
{
	int r = place_kvms_pages(m, e);

	return r < 0 ? r : irq_init(&m->vm.irq, m->vm.fd, e);
}

static int renew_irqs(struct machine *m, struct err *e)
{
	int r = place_kvms_pages(m, e);

	return r < 0 ? r : irq_renew(&m->vm.irq, m->vm.fd, e);
}

static int make_cpus(struct machine *m, struct err *e)
{
	return cpus_init(&m->vm, m->spec->cpus, e);
}

static int make_devices(struct machine *m, struct err *e)
{
	int r = power_init(&m->power, &m->vm, e);

	if (r >= 0)
		r = panic_init(&m->vm.panic, &m->vm, e);
	if (r >= 0)
		r = console_init(&m->console, &m->vm, m->spec->console, e);
	if (r >= 0)
		r = pci_init(&m->vm, &m->map->ecam, e);
	return r < 0 ? r : conf1_init(&m->conf1, &m->vm, e);
}

static int renew_vm(struct machine *m, struct err *e)
{
	return vm_renew(&m->vm, e);
}

static int renew_devices(struct machine *m, struct err *e)
{
	panic_reset(&m->vm.panic);
	console_renew(&m->console);
	conf1_reset(&m->conf1);
	return 0;
}

static int renew_passed(struct machine *m, struct err *e)
{
	return pass_renew(&m->vm, e);
}

static uint32_t config_read(void *ctx, unsigned bus, unsigned devfn, unsigned off, unsigned size)
{
	return pci_config_read_at(ctx, bus, devfn, off, size);
}

static void config_write(
	void *ctx, unsigned bus, unsigned devfn, unsigned off, unsigned size, uint32_t value)
{
	pci_config_write_at(ctx, bus, devfn, off, size, value);
}

static int place_pci(struct machine *m, struct err *e)
{
	const struct firmware_access access = {
		.read = config_read, .write = config_write, .ctx = m->vm.pci};
	struct firmware_result result;

	m->windows = (struct pci_windows){
		.io = m->map->io,
		.mem32 = m->map->mem32,
		.mem64 = {.base = m->layout.mem64.base, .size = m->layout.mem64.size},
	};
	int r = firmware_place(&access, &m->windows, &result, e);
	if (r < 0)
		return r;
	pci_seal(&m->vm);
	/* Linux probes every slot of each bus in ECAM, so ECAM covers only the buses in use. */
	m->ecam = (struct pci_window){.base = m->map->ecam.base, .size = MIB(result.buses)};
	if (result.unplaced)
		log_guest(&m->unplaced, m->vm.name,
			"%u of the devices' BARs found no address space", result.unplaced);
	return 0;
}

static int make_tables(struct machine *m, struct err *e)
{
	const struct acpi_machine am = {
		.cpu_count = m->vm.cpu_count,
		.lapic = m->map->lapic,
		.ioapic = m->map->ioapic,
		.ecam = m->ecam,
		.windows = m->windows,
		.slots = pci_slots(m->vm.pci),
		.conf1 = CONF1_ADDRESS,
		.com1 = CONSOLE_PORT,
		.com1_pin = CONSOLE_PIN,
		.panic = PANIC_PORT,
		.button_pin = POWER_BUTTON_PIN,
		.sleep_control = POWER_SLEEP_CONTROL,
		.sleep_status = POWER_SLEEP_STATUS,
		.reset = POWER_RESET,
		.reset_value = POWER_RESET_VALUE,
		.sleep_s5 = POWER_SLEEP_S5,
	};
	gpa_t at = GPA(m->map->tables.base);
	cleanup_free uint8_t *tables = calloc(1, m->map->tables.size);
	uint8_t vector[POWER_VECTOR_SIZE] = {0};

	if (!tables)
		return err_set(e, -ENOMEM, "describe the machine to the guest");
	int size = acpi_build(&am, tables, m->map->tables.size, at, e);
	if (size < 0)
		return size;
	power_write_vector(vector);
	if (memory_write(&m->vm.memory, at, tables, (size_t)size) < 0 ||
		memory_write(&m->vm.memory, GPA(POWER_VECTOR), vector, sizeof(vector)) < 0)
		return err_set(e, -EFAULT, "write the ACPI tables to guest memory");
	return 0;
}

static void on_keeper(struct loop_source *s, uint32_t events)
{
	struct machine *m = container_of(s, struct machine, keeper_watch);

	if (attach_receive(&m->attach) < 0)
		vm_interrupt(&m->vm, SIGTERM, "stopped: its keeper has ended");
}

static void on_signal(struct loop_source *s, uint32_t events)
{
	struct machine *m = container_of(s, struct machine, signals);
	struct signalfd_siginfo info = {0};

	if (read(s->fd, &info, sizeof(info)) < 0)
		return;
	if (info.ssi_signo == SIGWINCH) {
		console_resized(&m->console);
		return;
	}
	vm_interrupt(&m->vm, (int)info.ssi_signo, "stopped by signal %u", info.ssi_signo);
}

WALL_CALL(main, rt_sigaction);
WALL_CALL(main, rt_sigprocmask);
WALL_CALL(main, signalfd4);

static int watch_events(struct machine *m, struct err *e)
{
	sigset_t set;

	signals_that_stop(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	signals_that_end(&set);
	(void)sigaddset(&set, SIGWINCH); /* the terminal has another size */
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	/* A pipe without a reader, or a full file, must not end the guest. */
	signals_survive_writes();
	m->signals = (struct loop_source){
		.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = on_signal};
	if (m->signals.fd < 0)
		return err_set(e, -errno, "watch for signals");
	int r = loop_add(&m->vm.loop, &m->signals, e);
	if (r == 0)
		r = control_init(&m->control, m, m->spec->orders_fd, e);
	if (r < 0 || m->spec->keeper_fd < 0)
		return r;
	m->keeper_watch = (struct loop_source){.fd = m->spec->keeper_fd, .ready = on_keeper};
	return loop_add(&m->vm.loop, &m->keeper_watch, e);
}

static const struct {
	const char *phase;
	int (*step)(struct machine *m, struct err *e);
	int (*again)(struct machine *m, struct err *e); /* when the guest reboots */
} steps[] = {
	{"kvm", open_kvm, renew_vm},
	{"watch", watch_events, NULL},
	{"layout", lay_out, NULL},
	{"memory", make_memory, NULL},
	{"interrupts", make_irqs, renew_irqs},
	{"processors", make_cpus, make_cpus},
	{"devices", make_devices, renew_devices},
	/* From here on they need what the keeper opens and starts. */
	{"passthrough", devices_add_passed, renew_passed}, /* maps guest memory for DMA as well */
	{"virtio", devices_add_virtio, NULL},
	{"pci", place_pci, place_pci},
	{"tables", make_tables, make_tables},
	/* Pinned memory is present now: the pages of the kernel cost no fault each. */
	{"kernel", load_guest, load_guest},
};
#define STEPS_ALONE 7 /* those before "passthrough" */

static void put_message(void *ctx, const char *text, size_t len)
{
	struct outbox *o = ctx;

	(void)outbox_put(o, text, len);
	outbox_flush(o);
}

/* Any thread writes messages, and standard error may be a terminal that blocks. */
static void messages_init(struct machine *m)
{
	if (outbox_init(&m->messages, "messages", STDERR_FILENO) == 0)
		log_set_output(put_message, &m->messages);
}

static void messages_fini(struct machine *m)
{
	(void)outbox_drain(&m->messages, MESSAGES_IDLE_MS, MESSAGES_LAST_MS);
	log_set_output(NULL, NULL);
	outbox_fini(&m->messages);
}

static int take_steps(struct machine *m, size_t from, size_t to, struct err *e)
{
	for (size_t i = from; i < to; i++) {
		int r = steps[i].step(m, e);
		if (r < 0)
			return r;
		timing_mark(&m->vm.timing, steps[i].phase);
	}
	return 0;
}

int machine_init(struct machine *m, const struct machine_map *map, const struct machine_spec *spec,
	struct err *e)
{
	m->map = map;
	m->spec = spec;
	messages_init(m);
	m->signals.fd = -1;
	keeper_init(&m->keeper, spec->calls_fd);
	attach_init(&m->attach, &m->vm, spec->keeper_fd);
	m->vm.fd = m->vm.kvm_fd = -1;
	m->vm.memory = (struct memory)MEMORY_NONE;
	m->vm.loop = (struct loop)LOOP_NONE;
	return take_steps(m, 0, STEPS_ALONE, e);
}

int machine_equip(struct machine *m, struct err *e)
{
	return take_steps(m, STEPS_ALONE, COUNT(steps), e);
}

/* Runs one kernel from its first instruction to its end. */
static int run_once(struct machine *m, struct err *e)
{
	reboots_start(&m->reboots);
	int r = cpus_start(&m->vm, e);

	if (r >= 0)
		r = loop_run(&m->vm.loop, e);
	vm_stop(&m->vm, VM_FAILED, "our own failure");
	cpus_stop(&m->vm);
	console_drain(&m->console); /* it may report a panic */
	return r;
}

/* True if a signal, or the keeper's end, waits for the loop, which does not run now. */
static bool stop_waits(const struct machine *m)
{
	/*
	 * POLLHUP: the keeper has ended. A message of the keeper waits until the guest runs again.
	 */
	struct pollfd p[] = {{.fd = m->signals.fd, .events = POLLIN}, {.fd = m->spec->keeper_fd}};

	return poll(p, COUNT(p), 0) > 0; /* poll() skips a descriptor of -1 */
}

/* No device is in reset, and none has the kernel move data of guest memory. */
static bool devices_are_quiet(struct machine *m)
{
	if (pass_reset_wait(&m->vm, RESET_STEP_MS) < 0)
		return false;
	for (unsigned ms = 0; ms < RESET_STEP_MS; ms++) {
		if (!__atomic_load_n(&m->vm.transfers, __ATOMIC_ACQUIRE))
			return true;
		(void)usleep(1000);
	}
	return false;
}

/*
 * Until no device is on its way into the guest, because a reboot makes anew what that uses, or
 * (@resets) none is in reset: none may write to memory that the next kernel is loaded into.
 * Return: 0; 1 the guest is to stop; -ETIMEDOUT.
 */
static int await_devices(struct machine *m, bool resets, struct err *e)
{
	for (unsigned waited = 0; waited < RESET_MAX_MS; waited += RESET_STEP_MS) {
		if (resets ? devices_are_quiet(m) : attach_wait(&m->attach, RESET_STEP_MS) == 0)
			return 0;
		if (stop_waits(m))
			return 1;
	}
	return err_say(e, -ETIMEDOUT, "reboot the guest: a device %s after %u s",
		resets ? "is not back from its reset" : "that comes is not there",
		RESET_MAX_MS / 1000);
}

/*
 * Like the reset button. The devices come first, while no vCPU runs, because they may still write
 * to guest memory. Only memory and devices survive; the rest of the machine is made again.
 */
static int restart_guest(struct machine *m, struct err *e)
{
	int waited = await_devices(m, false, e);
	if (waited < 0)
		return waited;
	if (waited) {
		m->vm.end = VM_STOPPED;
		(void)snprintf(m->vm.why, sizeof(m->vm.why), "stopped while it rebooted");
		return 0;
	}
	m->reboots.count++;
	if (log_guest_tell(&m->rebooted))
		log_info(m->vm.name, "guest %s", m->vm.why);
	console_reset(&m->console);
	pci_reset(&m->vm);
	waited = await_devices(m, true, e);
	if (waited < 0)
		return waited;
	cpus_fini(&m->vm);
	m->vm.memory.used = true;
	for (size_t i = 0; i < COUNT(steps); i++) {
		int r = steps[i].again ? steps[i].again(m, e) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * The kernel may keep a worker in a call for a minute, and does not let go of it for anything. A
 * card that is on its way into a slot has the devices of the card before freed: until it is there,
 * no other thread may look at devices.
 */
static bool workers_are_done(struct machine *m, unsigned ms)
{
	return attach_wait(&m->attach, ms) == 0 && pass_reset_wait(&m->vm, ms) == 0;
}

int machine_run(struct machine *m, struct err *e)
{
	timing_enter(&m->vm.timing);
	int r = run_once(m, e);

	while (r >= 0 && reboots_again(&m->reboots, &m->vm) && !m->spec->no_reboot) {
		r = restart_guest(m, e);
		if (r >= 0)
			r = run_once(m, e);
	}
	/* What they do to the devices counts; one that hangs is not waited for. */
	(void)workers_are_done(m, RESET_STEP_MS);
	console_fini(&m->console); /* before the end is reported */
	timing_mark(&m->vm.timing, "run");
	return r;
}

void machine_fini(struct machine *m)
{
	console_fini(&m->console);
	if (!workers_are_done(m, END_MS)) {
		log_error(m->vm.name,
			"a device does not come back from the host: usher-vmm ends without it");
		messages_fini(m);
		return;
	}
	attach_fini(&m->attach);
	pci_fini(&m->vm);
	cpus_fini(&m->vm);
	vm_fini(&m->vm);
	pass_fini(&m->vm);
	keeper_fini(&m->keeper);
	control_fini(&m->control);
	fd_close(&m->signals.fd);
	messages_fini(m);
}
