/* SPDX-License-Identifier: MIT */
#include "engine/fit.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/busy.h"
#include "bind/gate.h"
#include "bind/problem.h"
#include "engine/files.h"
#include "engine/fit/bars.h"
#include "engine/fit/pool.h"
#include "engine/fit/rom.h"
#include "host/host.h"
#include "pci/device.h"
#include "vfio/layout.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * How it works
 *
 * Invariant: the checks only read, through struct host, so that they work on a snapshot of
 * another machine. What cannot be read does not refuse: the run itself will report it.
 *
 * A check is a function over struct fit_case that adds at most one problem to the plan. fit_check()
 * runs them in the order of its table. The checks of addresses come last, in two steps:
 *
 *	fit_usable()  all addresses, less the IOMMU's width and each group's reserved_regions
 *	layout_make() RAM around the gaps of that, as usher-vmm will place it; then bars_check()
 *
 * QEMU places RAM and BARs itself. For it, check_qemu() tests QEMU's two blocks of RAM against the
 * usable addresses, and bars_check_sum() only the size of all BARs. names_ours and names_qemu tell
 * the user which checks applied.
 */
#define TEXT_MAX 8192
#define QEMU_BITS 40 /* width of a guest-physical address in all processors but "host" and "max" */

static const struct fit_name names_ours[] = {
	{.name = "iommu"},
	{.name = "in-use"},
	{.name = "no-reset"},
	{.name = "memlock"},
	{.name = "memory"},
	{.name = "hugepages"},
	{.name = "reserved"},
	{.name = "bars"},
	{.name = "boot"},
	{.name = "mmap"},
	{.name = "rom"},
	{0},
};

static const struct fit_name names_qemu[] = {
	{.name = "iommu"},
	{.name = "in-use"},
	{.name = "no-reset"},
	{.name = "memlock"},
	{.name = "memory"},
	{.name = "hugepages"},
	{.name = "reserved"},
	{.name = "mmap"},
	{.name = "rom"},
	{"bars", FIT_PARTLY, "only that the guest can address as much: its firmware places them"},
	{0},
};

const struct fit_name *fit_names(const struct engine *engine)
{
	return engine->lays_out ? names_ours : names_qemu;
}

/* The input of the checks. */
struct fit_case {
	struct host *host;
	const struct engine *engine;
	const struct guest_spec *spec;
	const struct bind_request *q;
	struct bind_plan *plan;
	uint64_t memory; /* of the guest [bytes] */
};

/* The number after @key in a file of lines "key: number …". Return: 0, -ENOENT, -errno. */
static int read_field(struct host *h, const char *path, const char *key, int base, uint64_t *ret)
{
	char text[TEXT_MAX];

	ssize_t n = h->ops->read(h, path, text, sizeof(text) - 1);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	for (const char *at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, key, strlen(key)) != 0)
			continue;
		char *end;
		const char *number = at + strlen(key);
		number += strspn(number, ": \t");
		unsigned long long v = strtoull(number, &end, base);
		if (end == number)
			return -EINVAL; /* "unlimited" */
		*ret = v;
		return 0;
	}
	return -ENOENT;
}

/* The hard limit, the second number of its line. Return: 0, -ENOENT none, -errno. */
static int read_hard(struct host *h, const char *name, uint64_t *ret)
{
	char text[TEXT_MAX], *end;

	ssize_t n = h->ops->read(h, "/proc/self/limits", text, sizeof(text) - 1);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	const char *at = strstr(text, name);
	if (!at)
		return -ENOENT;
	at += strlen(name);
	at += strspn(at, " ");
	at += strcspn(at, " ");
	unsigned long long v = strtoull(at, &end, 10);
	if (end == at)
		return -ENOENT;
	*ret = v;
	return 0;
}

static int fit_memlock(struct fit_case *c)
{
	static const struct problem_kind kind = {"memlock", PROBLEM_REFUSES,
		"'USER hard memlock unlimited' in /etc/security/limits.d/, LimitMEMLOCK=infinity "
		"in a unit, or root"};
	uint64_t need = c->memory + c->engine->overhead, caps = 0;
	const uint64_t may = UINT64_C(1) << CAP_IPC_LOCK | UINT64_C(1) << CAP_SYS_RESOURCE;
	uint64_t hard;

	if (!c->spec->device_count ||
		(read_field(c->host, "/proc/self/status", "CapEff", 16, &caps) == 0 && caps & may))
		return 0;
	/* The keeper raises the soft limit itself. An unknown limit shows when mapping fails. */
	if (read_hard(c->host, "Max locked memory", &hard) < 0 || hard >= need)
		return 0;
	return bind_problem_add(c->plan, c->q, &kind, "host",
		"the kernel pins the guest's memory for DMA: %" PRIu64
		" MiB, but this user may lock only %" PRIu64 " MiB",
		need >> 20, hard >> 20);
}

static int fit_memory(struct fit_case *c)
{
	static const struct problem_kind more = {
		"memory", PROBLEM_REFUSES, "give the guest less memory: --memory"};
	static const struct problem_kind tight = {"memory", PROBLEM_WARNS,
		"the host may swap, or kill processes; give the guest less memory"};
	uint64_t all, available;

	if (read_field(c->host, "/proc/meminfo", "MemTotal", 10, &all) == 0 && c->memory > KIB(all))
		return bind_problem_add(c->plan, c->q, &more, "host",
			"the guest needs %" PRIu64 " MiB, but the host has only %" PRIu64 " MiB",
			(c->memory >> 20), (all >> 10));
	if (!c->spec->device_count || c->spec->hugepages ||
		read_field(c->host, "/proc/meminfo", "MemAvailable", 10, &available) < 0 ||
		c->memory <= KIB(available))
		return 0;
	return bind_problem_add(c->plan, c->q, &tight, "host",
		"the kernel pins the guest's %" PRIu64 " MiB at its start, but only %" PRIu64
		" MiB are available",
		(c->memory >> 20), (available >> 10));
}

static int fit_hugepages(struct fit_case *c)
{
	static const struct problem_kind kind = {"hugepages", PROBLEM_REFUSES,
		"reserve more soon after boot: /proc/sys/vm/nr_hugepages"};
	static const char path[] = "/proc/meminfo";
	uint64_t free_ = 0, held = 0, kib = 0;

	if (!c->spec->hugepages)
		return 0;
	(void)read_field(c->host, path, "HugePages_Free", 10, &free_);
	(void)read_field(c->host, path, "HugePages_Rsvd", 10, &held);
	(void)read_field(c->host, path, "Hugepagesize", 10, &kib);
	struct pool pool = {.size = KIB(kib), .pages = free_ > held ? free_ - held : 0, "are free"};
	if (pool.size && c->memory % pool.size)
		return bind_problem_add(c->plan, c->q, &kind, "host",
			"the guest's %" PRIu64
			" MiB are not a multiple of the huge page size, %" PRIu64 " MiB",
			(c->memory >> 20), (pool.size >> 20));
	if (pool.size)
		pool_limit(c->host, &pool);
	if (pool.size && c->memory / pool.size <= pool.pages)
		return 0;
	return bind_problem_add(c->plan, c->q, &kind, "host",
		"the guest needs %" PRIu64 " huge pages, but only %" PRIu64 " %s",
		(pool.size ? c->memory / pool.size : 0), pool.pages, pool.limit);
}

/* Removes [@first, @last] from @spans. Return: the new count. */
static size_t cut_out(
	struct vfio_span *spans, size_t count, size_t room, uint64_t first, uint64_t last)
{
	size_t n = 0;
	struct vfio_span out[VFIO_RANGES_MAX] = {0};

	for (size_t i = 0; i < count; i++) {
		struct vfio_span s = spans[i];
		if (s.last.v < first || s.first.v > last) {
			if (n < room)
				out[n++] = s;
			continue;
		}
		if (s.first.v < first && n < room)
			out[n++] = (struct vfio_span){s.first, {first - 1}};
		if (s.last.v > last && n < room)
			out[n++] = (struct vfio_span){{last + 1}, s.last};
	}
	memcpy(spans, out, n * sizeof(*out));
	return n;
}

/* The width that the deepest page tables of VT-d have. Ref: VT-d 10.4.2, SAGAW in bits 8 to 12 */
static unsigned table_bits(uint64_t cap)
{
	return cap & BIT64(11) ? 57 : cap & BIT64(10) ? 48 : cap & BIT64(9) ? 39 : 64;
}

/* The last address that VT-d translates, from its capability register; others have none. */
static uint64_t last_iova(struct host *h, struct pci_address a)
{
	char path[FILE_PATH_MAX];
	uint64_t cap;

	if (pci_device_path(a, "iommu/intel-iommu/cap", path, sizeof(path)) < 0 ||
		read_field(h, path, "", 16, &cap) < 0)
		return UINT64_MAX;
	uint64_t bits = min_u64((cap >> 16 & 0x3f) + 1, table_bits(cap)); /* MGAW */
	return bits >= 64 ? UINT64_MAX : BIT64(bits) - 1;
}

size_t fit_usable(struct host *h, const struct bind_request *q, struct vfio_span *ret, size_t room)
{
	char path[FILE_PATH_MAX], text[4096], *save = NULL;
	size_t n = 1;

	ret[0] = (struct vfio_span){{0}, {UINT64_MAX}};
	for (size_t i = 0; i < q->target_count; i++) {
		uint64_t last = last_iova(h, q->targets[i].address);
		int group = bind_group_of(h, q->targets[i].address);
		if (last != UINT64_MAX)
			n = cut_out(ret, n, room, last + 1, UINT64_MAX);
		if (group == PCI_GROUP_NONE ||
			file_path(path, sizeof(path),
				"/sys/kernel/iommu_groups/%d/reserved_regions", group) < 0 ||
			host_read_text(h, path, text, sizeof(text)) < 0)
			continue;
		for (char *line = strtok_r(text, "\n", &save); line;
			line = strtok_r(NULL, "\n", &save)) {
			char *end;
			unsigned long long from = strtoull(line, &end, 16);
			unsigned long long to = strtoull(end, &end, 16);
			/* The kernel releases `direct-relaxable` regions for VFIO. */
			if (from <= to && strcmp(end, " direct-relaxable") != 0)
				n = cut_out(ret, n, room, from, to);
		}
	}
	return n;
}

/* Whether the processor is AMD's or Hygon's: the first line of "vendor_id : AuthenticAMD". */
static bool cpu_is_amd(struct host *h)
{
	char text[TEXT_MAX];

	ssize_t n = h->ops->read(h, "/proc/cpuinfo", text, sizeof(text) - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	const char *vendor = strstr(text, "vendor_id");
	if (!vendor)
		return false;
	size_t line = strcspn(vendor, "\n");
	return memmem(vendor, line, "AuthenticAMD", 12) || memmem(vendor, line, "HygonGenuine", 12);
}

/* The processor, from "address sizes : 46 bits physical, …". */
static struct layout_cpu read_cpu(struct host *h)
{
	uint64_t bits = 0;

	(void)read_field(h, "/proc/cpuinfo", "address sizes", 10, &bits);
	return (struct layout_cpu){
		.phys_bits = bits >= 32 && bits <= 52 ? (unsigned)bits : 36, .amd = cpu_is_amd(h)};
}

/*
 * QEMU's machines have 2 to 3.5 GiB of RAM below 4 GiB and the rest above. With an AMD processor
 * the rest begins at 1 TiB (since QEMU 7.1) if it would reach HyperTransport's addresses.
 */
static int check_qemu(const struct fit_case *c, const struct vfio_span *usable, size_t n)
{
	uint64_t low = min_u64(c->memory, GIB(2));
	uint64_t high = c->memory > MIB(3584) ? c->memory - MIB(3584) : 0;
	uint64_t start = read_cpu(c->host).amd && GIB(4) + high > GIB(1012) ? GIB(1024) : GIB(4);
	bool low_ok = false, high_ok = !high;

	for (size_t i = 0; i < n; i++) {
		low_ok |= usable[i].first.v == 0 && usable[i].last.v >= low - 1;
		high_ok |= usable[i].first.v <= start && usable[i].last.v >= start + high - 1;
	}
	return low_ok && high_ok ? 0 : -EADDRINUSE;
}

/* The address space that a guest with addresses of @bits has left beside its memory. */
static struct bars_room room_of(const struct fit_case *c, unsigned bits)
{
	uint64_t end = UINT64_C(1) << bits;

	return (struct bars_room){
		.low = GIB(4) - min_u64(c->memory, GIB(2)),
		.high = c->memory < end ? end - c->memory : 0,
	};
}

/*
 * QEMU's processors have addresses of 40 bits or of the host's width; some distributions build
 * them all with the host's. So BARs beyond 40 bits warn, and those beyond the host's width refuse.
 */
static int fit_bars_qemu(struct fit_case *c)
{
	static const struct problem_kind more = {
		"bars", PROBLEM_REFUSES, "give the guest fewer devices"};
	static const struct problem_kind wide = {
		"bars", PROBLEM_WARNS, "add -cpu host: its addresses are as wide as the host's"};
	unsigned bits = read_cpu(c->host).phys_bits;

	int r = bars_check_sum(c->host, room_of(c, bits), c->q, &more, c->plan);
	if (r != 0 || bits <= QEMU_BITS || c->engine->wide(c->spec))
		return r < 0 ? r : 0;
	r = bars_check_sum(c->host, room_of(c, QEMU_BITS), c->q, &wide, c->plan);
	return r < 0 ? r : 0;
}

static bool kernel_fits(const struct vmlinux *k, const struct layout *l)
{
	size_t fitting = 0;

	for (size_t i = 0; i < k->count; i++)
		for (size_t j = 0; j < l->count; j++) {
			const struct vmlinux_segment *s = &k->segments[i];
			const struct layout_range *r = &l->ram[j];
			fitting += s->address >= r->base &&
				   range_ok(s->address - r->base, s->size, r->size);
		}
	return fitting == k->count;
}

/* Where usher-vmm loads the files of the guest: the disk goes into the first range of RAM. */
static int fit_boot(struct fit_case *c, const struct layout *l)
{
	static const struct problem_kind kind = {
		"boot", PROBLEM_REFUSES, "give the guest more memory: --memory"};
	const struct guest_files *f = c->spec->files;
	uint64_t at;

	if (!f || !f->image.count)
		return 0;
	if (!kernel_fits(&f->image, l))
		return bind_problem_add(c->plan, c->q, &kind, "guest",
			"the kernel '%.100s' does not fit into %" PRIu64 " MiB of memory",
			c->spec->kernel ? c->spec->kernel : f->kernel.path, c->memory >> 20);
	if (vmlinux_place_initrd(f->initrd_size, f->image.end, l->ram[0].size, &at) == 0)
		return 0;
	return bind_problem_add(c->plan, c->q, &kind, "guest",
		"the initial ramdisk '%.100s' has %" PRIu64 " MiB and does not fit into %" PRIu64
		" MiB of memory beside the kernel",
		c->spec->initrd ? c->spec->initrd : f->boot.found.initrd,
		align_up(f->initrd_size, MIB(1)) >> 20, c->memory >> 20);
}

/* Ref: QEMU, docs/interop/vhost-user.rst: so many regions in a table of memory. */
#define BACKEND_RANGES 8

static int fit_backends(struct fit_case *c, const struct layout *l)
{
	static const struct problem_kind kind = {"reserved", PROBLEM_REFUSES,
		"give the guest less memory, raw disks and no shared folder"};

	if (!spec_has_backend(c->spec) || l->count <= BACKEND_RANGES)
		return 0;
	return bind_problem_add(c->plan, c->q, &kind, "host",
		"the guest's memory lies in %zu ranges around what the IOMMU reserves, and a "
		"program that serves one of its devices takes %d",
		l->count, BACKEND_RANGES);
}

static int fit_layout(struct fit_case *c)
{
	static const struct problem_kind kind = {"reserved", PROBLEM_REFUSES,
		"see /sys/kernel/iommu_groups/*/reserved_regions; less memory may fit around them"};
	struct vfio_span usable[VFIO_RANGES_MAX];
	struct layout layout;
	struct err e = {0};

	size_t n = fit_usable(c->host, c->q, usable, COUNT(usable));
	if (!c->engine->lays_out) {
		if (!c->spec->device_count)
			return 0;
		if (check_qemu(c, usable, n) == 0)
			return fit_bars_qemu(c);
		return bind_problem_add(c->plan, c->q, &kind, "host",
			"QEMU would place guest memory where the IOMMU does not translate");
	}
	const struct layout_cpu cpu = read_cpu(c->host);
	int r = layout_make(c->memory, &cpu, usable, n, &layout, &e);
	if (r < 0)
		return bind_problem_add(c->plan, c->q, &kind, "host", "%s", e.msg);
	r = fit_boot(c, &layout);
	if (r < 0)
		return r;
	r = fit_backends(c, &layout);
	return r < 0 ? r : bars_check(c->host, &layout, c->q, c->plan);
}

static int fit_busy(struct fit_case *c)
{
	return bind_busy_check(c->host, c->q, c->plan);
}

static int fit_rom(struct fit_case *c)
{
	return rom_check(c->host, c->spec, c->q, c->plan);
}

int fit_lay_out(struct host *h, const struct engine *engine, const struct guest_spec *s,
	const struct bind_request *q, struct fit_layout *ret)
{
	struct vfio_span usable[VFIO_RANGES_MAX];

	if (!engine->lays_out)
		return -ENOENT;
	size_t n = fit_usable(h, q, usable, COUNT(usable));
	bars_need(h, q, &ret->mem32, &ret->mem64);
	const struct layout_cpu cpu = read_cpu(h);
	return layout_make(engine->memory(s), &cpu, usable, n, &ret->layout, NULL);
}

int fit_check(struct host *h, const struct engine *engine, const struct guest_spec *s,
	const struct bind_request *q, struct bind_plan *p, struct err *e)
{
	static int (*const checks[])(struct fit_case *) = {
		fit_memlock, fit_memory, fit_hugepages, fit_layout, fit_busy, fit_rom};
	struct fit_case c = {.host = h,
		.engine = engine,
		.spec = s,
		.q = q,
		.plan = p,
		.memory = engine->memory(s)};
	int r = 0;

	/* `usher exec` runs no guest: its memory is 0. */
	for (size_t i = 0; c.memory && i < COUNT(checks) && r == 0; i++)
		r = checks[i](&c);
	return r < 0 ? err_set(e, r, "plan the guest") : 0;
}
