/* SPDX-License-Identifier: MIT */
/* Whether a guest fits on a host; the hosts are a few lines. */
#include "engine/fit.h"

#include "base/num.h"
#include "engine/files.h"
#include "engine/fit/bars.h"
#include "pci/rom_image.h"
#include "replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MEMINFO                                                                   \
	"file /proc/meminfo MemTotal:  16384000 kB\\nMemAvailable: 8000000 kB\\n" \
	"HugePages_Free:  600\\nHugePages_Rsvd:   88\\nHugepagesize:  2048 kB\n"
#define CPUINFO                                                                                 \
	"file /proc/cpuinfo processor\\x09: 0\\naddress sizes\\x09: 40 bits physical, 48 bits " \
	"virtual\n"
#define ROOT "file /proc/self/status Uid:\\x090\\nCapEff:\\x09000001ffffffffff\n"
#define USER                                                                    \
	"file /proc/self/status Uid:\\x091000\\nCapEff:\\x090000000000000000\n" \
	"file /proc/self/limits Limit  Soft Limit  Hard Limit  Units\\n"        \
	"Max locked memory         8388608              1073741824           bytes\n"
#define AT "/sys/bus/pci/devices/0000:01:00.0/"
#define DEVICE                                                       \
	"link " AT "iommu_group ../../../../kernel/iommu_groups/7\n" \
	"file /sys/kernel/iommu_groups/7/reserved_regions "          \
	"0x00000000fee00000 0x00000000feefffff msi\n"
/* A BAR of 16 KiB, one of @size that is 64 bits wide and prefetchable. */
#define BARS(end)                                                                         \
	"file " AT "resource 0x00000000f0000000 0x00000000f0003fff 0x0000000000040200\\n" \
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\\n"                     \
	"0x0000001000000000 " end " 0x000000000014220c\n"

static struct guest_spec spec;
static struct bind_target targets[SPEC_DEVICES_MAX];
static struct bind_plan plan;

static void ask_fit(const struct engine *engine, const char *text)
{
	struct bind_request q = {.targets = targets, .target_count = spec.device_count};
	struct host *h = replay_lines(text);
	struct err e = {0};

	bind_plan_fini(&plan);
	plan = BIND_PLAN_NONE;
	ck_assert_int_eq(fit_check(h, engine, &spec, &q, &plan, &e), 0);
	host_close(h);
}

static void expect_problem(const char *check, const char *text)
{
	ck_assert_msg(plan.problem_count == 1, "%zu problems, the first: %s", plan.problem_count,
		plan.problem_count ? plan.problems[0].text : "");
	ck_assert_str_eq(plan.problems[0].check, check);
	ck_assert_msg(strstr(plan.problems[0].text, text) != NULL, "%s", plan.problems[0].text);
	ck_assert_uint_eq(plan.refusals, plan.problems[0].refuses);
}

static void host_setup(uint64_t memory, size_t devices)
{
	spec = (struct guest_spec){
		.name = "g", .memory = memory, .cpus = 1, .device_count = devices};
	for (size_t i = 0; i < devices; i++)
		targets[i].address = (struct pci_address){.bus = (uint8_t)(i + 1)};
}

START_TEST(accepts_a_guest_that_fits)
{
	host_setup(MIB(512), 1);
	ask_fit(&engine_ours, ROOT MEMINFO CPUINFO DEVICE BARS("0x00000010ffffffff"));
	ck_assert_uint_eq(plan.problem_count, 0);
	ask_fit(&engine_qemu, ROOT MEMINFO CPUINFO DEVICE);
	ck_assert_uint_eq(plan.problem_count, 0);
	/* An unknown fact of the host is no reason to refuse. */
	ask_fit(&engine_ours, "dir /proc\n");
	ck_assert_uint_eq(plan.problem_count, 0);
}
END_TEST

START_TEST(refuses_memory_beyond_the_lock_limit)
{
	host_setup(GIB(1), 1);
	ask_fit(&engine_ours, USER MEMINFO CPUINFO DEVICE);
	expect_problem("memlock", "1040 MiB, but this user may lock only 1024 MiB");
	host_setup(MIB(1008), 1);
	ask_fit(&engine_ours, USER MEMINFO CPUINFO DEVICE);
	ck_assert_uint_eq(plan.problem_count, 0);
	ask_fit(&engine_qemu, USER MEMINFO CPUINFO DEVICE); /* locks more itself */
	expect_problem("memlock", "1264 MiB");
	host_setup(GIB(1), 0);
	ask_fit(&engine_ours, USER MEMINFO CPUINFO);
	ck_assert_uint_eq(plan.problem_count, 0);
}
END_TEST

START_TEST(reads_the_memory_of_qemus_arguments)
{
	char *const size[] = {(char[]){"-m"}, (char[]){"size=2G,slots=2"}, NULL};
	char *const mib[] = {
		(char[]){"-M"}, (char[]){"q35"}, (char[]){"-m"}, (char[]){"2048"}, NULL};

	host_setup(MIB(512), 1);
	spec.engine_args = size;
	ask_fit(&engine_qemu, USER MEMINFO CPUINFO DEVICE);
	expect_problem("memlock", "2304 MiB");
	spec.engine_args = mib;
	ask_fit(&engine_qemu, USER MEMINFO CPUINFO DEVICE);
	expect_problem("memlock", "2304 MiB");
	spec.has_memory = true;
	ask_fit(&engine_qemu, USER MEMINFO CPUINFO DEVICE);
	ck_assert_uint_eq(plan.problem_count, 0);
}
END_TEST

START_TEST(refuses_files_that_do_not_fit_into_memory)
{
	struct guest_files f = FILES_NONE;

	host_setup(MIB(128), 0);
	spec.files = &f;
	spec.kernel = "vmlinuz";
	spec.initrd = "initrd.img";
	f.image = (struct vmlinux){.entry = VMLINUX_MIN, .end = MIB(32), .count = 1};
	f.image.segments[0] =
		(struct vmlinux_segment){.address = VMLINUX_MIN, .size = MIB(31), .file_size = 1};
	f.initrd_size = MIB(96);
	ask_fit(&engine_ours, ROOT MEMINFO CPUINFO);
	ck_assert_uint_eq(plan.problem_count, 0);
	f.initrd_size++;
	ask_fit(&engine_ours, ROOT MEMINFO CPUINFO);
	expect_problem("boot", "'initrd.img' has 97 MiB and does not fit into 128 MiB");
	f.image.segments[0].size = MIB(128);
	ask_fit(&engine_ours, ROOT MEMINFO CPUINFO);
	expect_problem("boot", "'vmlinuz' does not fit into 128 MiB");
}
END_TEST

START_TEST(refuses_memory_beyond_the_host)
{
	host_setup(GIB(32), 0);
	ask_fit(&engine_ours, ROOT MEMINFO CPUINFO);
	expect_problem("memory", "32768 MiB, but the host has only 16000 MiB");
	host_setup(GIB(10), 1);
	ask_fit(&engine_ours, ROOT MEMINFO CPUINFO DEVICE);
	expect_problem("memory", "at its start, but only");
	ck_assert_uint_eq(plan.refusals, 0);
}
END_TEST

START_TEST(counts_only_free_huge_pages)
{
	host_setup(GIB(1), 1);
	spec.hugepages = true;
	ask_fit(&engine_ours, ROOT MEMINFO CPUINFO DEVICE);
	ck_assert_uint_eq(plan.problem_count, 0);
	host_setup(MIB(1026), 1);
	spec.hugepages = true;
	ask_fit(&engine_ours, ROOT MEMINFO CPUINFO DEVICE);
	expect_problem("hugepages", "513 huge pages, but only 512 are free");
	host_setup(MIB(1025), 1);
	spec.hugepages = true;
	ask_fit(&engine_ours, ROOT MEMINFO CPUINFO DEVICE);
	expect_problem("hugepages", "not a multiple");
}
END_TEST

/* A table of memory for another program has so many places. */
START_TEST(counts_the_ranges_that_a_back_end_takes)
{
	char text[4096];
	size_t used = (size_t)snprintf(text, sizeof(text), "%s",
		ROOT MEMINFO CPUINFO "link " AT "iommu_group ../../../../kernel/iommu_groups/7\n"
				     "file /sys/kernel/iommu_groups/7/reserved_regions ");

	for (unsigned i = 1; i <= 8; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
			"0x%016x 0x%016x direct%s", i << 28, (i << 28) + 0xfff,
			i < 8 ? "\\n" : "\n");
	host_setup(GIB(3), 1);
	spec.virtio_count = 1;
	spec.virtio[0].type = GUEST_VIRTIO_BLK;
	ask_fit(&engine_ours, text);
	ck_assert_uint_eq(plan.problem_count, 0);
	(void)snprintf(spec.virtio[0].disk.format, sizeof(spec.virtio[0].disk.format), "qcow2");
	ask_fit(&engine_ours, text);
	expect_problem("reserved", "in 10 ranges");
	spec.virtio[0].type = GUEST_VIRTIO_FS;
	ask_fit(&engine_ours, text);
	expect_problem("reserved", "in 10 ranges");
}
END_TEST

START_TEST(respects_reserved_regions)
{
	static const char low[] =
		ROOT MEMINFO CPUINFO "link " AT "iommu_group ../../../../kernel/iommu_groups/7\n"
				     "file /sys/kernel/iommu_groups/7/reserved_regions "
				     "0x0000000000e00000 0x0000000000ffffff direct\n";
	static const char relaxed[] =
		ROOT MEMINFO CPUINFO "link " AT "iommu_group ../../../../kernel/iommu_groups/7\n"
				     "file /sys/kernel/iommu_groups/7/reserved_regions "
				     "0x0000000000e00000 0x0000000000ffffff direct-relaxable\n";

	host_setup(MIB(512), 1);
	ask_fit(&engine_ours, low);
	expect_problem("reserved", "a kernel needs to boot");
	ask_fit(&engine_qemu, low);
	expect_problem("reserved", "QEMU");
	ask_fit(&engine_ours, relaxed);
	ck_assert_uint_eq(plan.problem_count, 0);
}
END_TEST

START_TEST(respects_the_width_of_the_iommu)
{
	struct bind_request q = {.targets = targets, .target_count = 1};
	static const char text[] = "usher-host 1\n" DEVICE "file " AT
				   "iommu/intel-iommu/cap 1c0000c40660462\n"; /* MGAW 38: 39 bits */
	struct vfio_span spans[VFIO_RANGES_MAX];
	struct host *h;

	host_setup(MIB(512), 1);
	ck_assert_int_eq(host_snapshot_from(text, strlen(text), &h, NULL), 0);
	ck_assert_uint_eq(fit_usable(h, &q, spans, VFIO_RANGES_MAX), 2);
	ck_assert_uint_eq(spans[0].last.v, 0xfedfffff);
	ck_assert_uint_eq(spans[1].first.v, 0xfef00000);
	ck_assert_uint_eq(spans[1].last.v, (1ULL << (0x40660462 >> 16 & 0x3f) << 1) - 1);
	host_close(h);
}
END_TEST

START_TEST(refuses_bars_without_addresses)
{
	host_setup(MIB(512), 1);
	/* 1 TiB of prefetchable memory, where 40 bits leave less. */
	ask_fit(&engine_ours, ROOT MEMINFO CPUINFO DEVICE BARS("0x000001ffffffffff"));
	ck_assert_uint_eq(plan.refusals, 1);
	expect_problem("bars", "of 64-bit memory");
}
END_TEST

/* Real CPUs and IOMMUs: how much RAM a guest may have beside a BAR of 256 GiB. */
START_TEST(big_memory_and_big_bars)
{
	static const char mgaw39[] = "file " AT "iommu/intel-iommu/cap 1c0000c40660462\n";
	static const char mgaw57[] = "file " AT "iommu/intel-iommu/cap 19ed008c40780c66\n";
	/* 57 bits of addresses, and tables for 48 of them. */
	static const char tables48[] = "file " AT "iommu/intel-iommu/cap 19ed008c40780466\n";
	static const char amd[] = "0x000000fd00000000 0x000000ffffffffff reserved\\n";
	static const struct {
		const char *vendor;
		unsigned bits;
		const char *cap, *reserved;
		uint64_t memory;
		const char *problem; /* NULL: it fits */
	} rows[] = {
		{"GenuineIntel", 39, mgaw39, "", GIB(128), NULL},
		{"GenuineIntel", 39, mgaw39, "", GIB(300), "bars"},
		{"GenuineIntel", 46, mgaw39, "", GIB(128), NULL},
		{"GenuineIntel", 46, mgaw39, "", GIB(300), "bars"},
		{"GenuineIntel", 46, tables48, "", GIB(512), NULL},
		{"GenuineIntel", 52, mgaw57, "", GIB(512), NULL},
		{"GenuineIntel", 52, mgaw57, "", GIB(2048), NULL},
		{"AuthenticAMD", 48, "", amd, GIB(512), NULL},
		{"AuthenticAMD", 48, "", amd, GIB(2048), NULL},
		{"HygonGenuine", 43, "", amd, GIB(512), NULL},
		{"AuthenticAMD", 40, "", amd, GIB(400), NULL},
		{"AuthenticAMD", 40, "", amd, GIB(600), "bars"},
		{"AuthenticAMD", 40, "", amd, GIB(1012), "reserved"},
		{"GenuineIntel", 40, mgaw57, "", GIB(600), NULL},
	};
	char text[2048];

	for (size_t i = 0; i < COUNT(rows); i++) {
		host_setup(rows[i].memory, 1);
		(void)snprintf(text, sizeof(text),
			ROOT
			"file /proc/cpuinfo processor\\x09: 0\\nvendor_id\\x09: %s\\n"
			"address sizes\\x09: %u bits physical, 48 bits virtual\n"
			"link " AT "iommu_group ../../../../kernel/iommu_groups/7\n"
			"file /sys/kernel/iommu_groups/7/reserved_regions %s"
			"0x00000000fee00000 0x00000000feefffff msi\n%s" BARS("0x0000004fffffffff"),
			rows[i].vendor, rows[i].bits, rows[i].reserved, rows[i].cap);
		ask_fit(&engine_ours, text);
		ck_assert_msg(plan.problem_count == (rows[i].problem != NULL),
			"row %zu: %zu problems: %s", i, plan.problem_count,
			plan.problem_count ? plan.problems[0].text : "");
		if (rows[i].problem)
			ck_assert_str_eq(plan.problems[0].check, rows[i].problem);
		/* QEMU moves RAM above 1 TiB on AMD as well. */
		ask_fit(&engine_qemu, text);
		ck_assert(!plan.problem_count || strcmp(plan.problems[0].check, "reserved") != 0);
	}
}
END_TEST

#define WIDE                                                                                    \
	"file /proc/cpuinfo processor\\x09: 0\\naddress sizes\\x09: 46 bits physical, 48 bits " \
	"virtual\n"
#define TIB "0x0000010fffffffff" /* of a BAR of 1 TiB */

/* QEMU's firmware places the BARs, but not beyond the guest's addresses. */
START_TEST(respects_the_width_of_qemus_processors)
{
	char *const host[] = {(char[]){"-cpu"}, (char[]){"host,-x2apic"}, NULL};
	char *const model[] = {(char[]){"-cpu"}, (char[]){"EPYC"}, NULL};
	char *const board[] = {(char[]){"-M"}, (char[]){"q35"}, NULL};

	host_setup(MIB(512), 1);
	spec.engine_args = board;
	ask_fit(&engine_qemu, ROOT MEMINFO CPUINFO DEVICE BARS("0x0000008fffffffff")); /* 512 GiB */
	ck_assert_uint_eq(plan.problem_count, 0);
	ask_fit(&engine_qemu, ROOT MEMINFO CPUINFO DEVICE BARS(TIB));
	expect_problem(
		"bars", "need 1048576 MiB beside its memory, and the guest can address 1048064");
	ck_assert_uint_eq(plan.refusals, 1);
	/* The host could. */
	ask_fit(&engine_qemu, ROOT MEMINFO WIDE DEVICE BARS(TIB));
	expect_problem("bars", "need 1048576 MiB");
	ck_assert_uint_eq(plan.refusals, 0);
	spec.engine_args = model;
	ask_fit(&engine_qemu, ROOT MEMINFO WIDE DEVICE BARS(TIB));
	expect_problem("bars", "need 1048576 MiB");
	spec.engine_args = host;
	ask_fit(&engine_qemu, ROOT MEMINFO WIDE DEVICE BARS(TIB));
	ck_assert_uint_eq(plan.problem_count, 0);
	/* 4 GiB of 32-bit BARs fit in no guest. */
	spec.engine_args = NULL;
	ask_fit(&engine_qemu, ROOT MEMINFO WIDE DEVICE BARS(TIB));
	ck_assert_uint_eq(plan.problem_count, 0);
	ask_fit(&engine_qemu, ROOT MEMINFO CPUINFO DEVICE
		"file " AT "resource "
		"0x0000000000000000 0x00000000ffffffff 0x0000000000040200\n");
	expect_problem("bars", "need 4096 MiB below 4 GiB, and the guest can address 3584 there");
}
END_TEST

/* A file for the first device, which is a card of Intel. */
static void rom_write(uint32_t id)
{
	uint8_t data[4096];
	size_t size = rom_image_card(data, id);
	FILE *f = fopen(spec.devices[0].rom, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, size, f), size);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(refuses_the_rom_of_another_card)
{
	static const char *const allowed[] = {"rom"};
	static const char lines[] = ROOT MEMINFO CPUINFO DEVICE BARS(
		"0x00000010ffffffff") "file " AT "vendor 0x8086\nfile " AT "device 0x10d3\nfile " AT
				      "class 0x020000\n";
	static const struct engine *const engines[] = {&engine_ours, &engine_qemu};

	host_setup(MIB(512), 1);
	spec.devices[0].address = targets[0].address;
	(void)snprintf(spec.devices[0].rom, SPEC_ROM_MAX, "/tmp/usher-rom-%d", (int)getpid());
	for (size_t i = 0; i < COUNT(engines); i++) {
		rom_write(0x808610d3);
		ask_fit(engines[i], lines);
		ck_assert_uint_eq(plan.problem_count, 0);
		rom_write(0x8086100e);
		ask_fit(engines[i], lines);
		expect_problem("rom", "is for 8086:100e, but the device is 8086:10d3");
		ck_assert_uint_eq(plan.refusals, 1);
	}
	struct bind_request q = {.targets = targets,
		.target_count = 1,
		.allow = allowed,
		.allow_count = COUNT(allowed)};
	struct host *h = replay_lines(lines);
	bind_plan_fini(&plan);
	ck_assert_int_eq(fit_check(h, &engine_ours, &spec, &q, &plan, NULL), 0);
	ck_assert_uint_eq(plan.refusals, 0);
	host_close(h);
	ck_assert_int_eq(unlink(spec.devices[0].rom), 0);
	/* What cannot be read is left to the run. */
	ask_fit(&engine_ours, lines);
	ck_assert_uint_eq(plan.problem_count, 0);
}
END_TEST

/* A plan lists only checks that are made: for each engine, those that found a problem above. */
START_TEST(names_the_checks_of_each_engine)
{
	static const struct {
		const struct engine *engine;
		const char *name;
		enum fit_depth depth;
	} rows[] = {
		{&engine_ours, "hugepages", FIT_WHOLE},
		{&engine_ours, "bars", FIT_WHOLE},
		{&engine_ours, "reserved", FIT_WHOLE},
		{&engine_qemu, "hugepages", FIT_WHOLE},
		{&engine_qemu, "bars", FIT_PARTLY},
		{&engine_qemu, "reserved", FIT_WHOLE},
		{&engine_qemu, "memlock", FIT_WHOLE},
		{&engine_ours, "rom", FIT_WHOLE},
		{&engine_qemu, "rom", FIT_WHOLE},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct fit_name *n = fit_names(rows[i].engine);
		while (n->name && strcmp(n->name, rows[i].name) != 0)
			n++;
		ck_assert_msg(n->name != NULL, "no %s", rows[i].name);
		ck_assert_int_eq(n->depth, rows[i].depth);
		ck_assert_int_eq(n->reason != NULL, n->depth != FIT_WHOLE);
	}
}
END_TEST

#define FN(n) "file /sys/bus/pci/devices/0000:01:00." n "/resource "
#define SMALL "0x00000000f0000000 0x00000000f0003fff 0x0000000000040200\n"

/* Functions share a root port if function 0 is among them; else each has its own. */
START_TEST(functions_share_a_port_with_function_0)
{
	static const char text[] = "usher-host 1\n" FN("0") SMALL FN("1") SMALL FN("2") SMALL;
	static const struct {
		uint8_t fns[3];
		size_t count;
		uint64_t mem32;
	} cases[] = {
		{{0, 1, 2}, 3, MIB(1)},
		{{2, 0, 1}, 3, MIB(1)},
		{{1, 2}, 2, MIB(2)},
		{{1}, 1, MIB(1)},
		{{0, 2}, 2, MIB(1)},
	};
	uint64_t mem32, mem64;
	struct host *h;

	ck_assert_int_eq(host_snapshot_from(text, strlen(text), &h, NULL), 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct bind_request q = {.targets = targets, .target_count = cases[i].count};
		for (size_t k = 0; k < q.target_count; k++)
			targets[k].address = (struct pci_address){.bus = 1, .fn = cases[i].fns[k]};
		bars_need(h, &q, &mem32, &mem64);
		ck_assert_msg(mem32 == cases[i].mem32, "case %zu: %" PRIx64, i, mem32);
		ck_assert_uint_eq(mem64, 0);
	}
	host_close(h);
}
END_TEST

#define NODE(n, free)                                                         \
	"file /sys/devices/system/node/node" n "/hugepages/hugepages-2048kB/" \
	"free_hugepages " free "\n"

/* Where mmap() succeeds, and the first touch of a page is SIGBUS. */
START_TEST(refuses_huge_pages_that_are_out_of_reach)
{
	host_setup(MIB(512), 0);
	spec.hugepages = true;
	ask_fit(&engine_ours, MEMINFO CPUINFO
		"file /proc/self/status Uid:\\x090\\nMems_allowed_list:\\x090,2-3\\n\n" NODE(
			"0", "100") NODE("1", "500") NODE("2", "156"));
	ck_assert_uint_eq(plan.problem_count, 0);
	ask_fit(&engine_ours, MEMINFO CPUINFO
		"file /proc/self/status Uid:\\x090\\nMems_allowed_list:\\x090\\n\n" NODE("0", "100")
			NODE("1", "500"));
	expect_problem("hugepages",
		"256 huge pages, but only 100 are free on the NUMA nodes that it may use, 0");
	ask_fit(&engine_ours,
		MEMINFO CPUINFO "file /proc/self/cgroup 0::/a/b\n"
				"file /sys/fs/cgroup/a/b/hugetlb.2MB.max max\n"
				"file /sys/fs/cgroup/a/hugetlb.2MB.max 209715200\n"
				"file /sys/fs/cgroup/a/hugetlb.2MB.current 104857600\n");
	expect_problem("hugepages", "only 50 are left to the cgroup /a (hugetlb.2MB.max)");
	/* The kernel names the files of the next size by GB. */
	host_setup(GIB(1), 0);
	spec.hugepages = true;
	ask_fit(&engine_ours, "file /proc/meminfo MemAvailable: 8000000 kB\\nHugePages_Free: 4\\n"
			      "HugePages_Rsvd: 0\\nHugepagesize: 1048576 kB\n" CPUINFO
			      "file /proc/self/cgroup 0::/a\n"
			      "file /sys/fs/cgroup/a/hugetlb.1GB.max 0\n"
			      "file /sys/fs/cgroup/a/hugetlb.1GB.current 0\n");
	expect_problem("hugepages", "only 0 are left to the cgroup /a (hugetlb.1GB.max)");
}
END_TEST

SUITE("fit", refuses_huge_pages_that_are_out_of_reach, refuses_files_that_do_not_fit_into_memory,
	accepts_a_guest_that_fits, refuses_memory_beyond_the_lock_limit,
	reads_the_memory_of_qemus_arguments, refuses_memory_beyond_the_host,
	counts_only_free_huge_pages, counts_the_ranges_that_a_back_end_takes,
	respects_reserved_regions, respects_the_width_of_the_iommu, refuses_bars_without_addresses,
	big_memory_and_big_bars, respects_the_width_of_qemus_processors,
	names_the_checks_of_each_engine, refuses_the_rom_of_another_card,
	functions_share_a_port_with_function_0)
