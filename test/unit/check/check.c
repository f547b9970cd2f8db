/* SPDX-License-Identifier: MIT */
#include "check/check.h"

#include "base/num.h"
#include "check/bootwords.h"
#include "check/modprobe.h"
#include "replay.h"

#include <errno.h>
#include <string.h>

static const struct check_finding *find(const struct check_report *r, const char *id)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->list[i].rule->id, id) == 0)
			return &r->list[i];
	return NULL;
}

/* Scripts rely on these ids: H01 to H21, then P01 to P27, each once. */
START_TEST(keeps_its_table_in_order)
{
	char id[8];
	size_t i = 0;

	for (unsigned n = 1; n <= 21; n++, i++) {
		(void)snprintf(id, sizeof(id), "H%02u", n);
		ck_assert_str_eq(check_rule_at(i)->id, id);
		ck_assert_int_eq(check_rule_at(i)->scope, CHECK_HOST);
	}
	for (unsigned n = 1; n <= 27; n++, i++) {
		(void)snprintf(id, sizeof(id), "P%02u", n);
		ck_assert_str_eq(check_rule_at(i)->id, id);
		ck_assert_int_eq(check_rule_at(i)->scope, CHECK_DEVICE);
	}
	ck_assert_ptr_null(check_rule_at(i));
	for (size_t a = 0; a < i; a++)
		for (size_t b = 0; b < a; b++)
			ck_assert_str_ne(check_rule_at(a)->name, check_rule_at(b)->name);
}
END_TEST

static const char denied[] = "link /sys/bus/pci/devices/0000:01:00.0 "
			     "../../../devices/pci0000:00/0000:01:00.0\n"
			     "at /sys/devices/pci0000:00/0000:01:00.0\n"
			     "file vendor 0x8086\nfile device 0x37c8\nfile class 0x0b4000\n"
			     "file driver_override (null)\nfile reset_method flr\n"
			     "link iommu_group ../../../kernel/iommu_groups/1\n"
			     "dir /sys/kernel/iommu_groups/1\n";

/* A device that cannot be lent is an error only if the caller names it. */
START_TEST(fails_only_what_is_named)
{
	const struct pci_address a = {.bus = 1};
	const struct check_request named = {.addresses = &a, .address_count = 1};
	const struct check_request all = {0};
	struct host *h = replay_lines(denied);
	struct check_report r;
	struct err e = {0};

	ck_assert_int_eq(check_run(h, &all, &r, &e), 0);
	ck_assert_ptr_nonnull(find(&r, "P16"));
	ck_assert_int_eq(find(&r, "P16")->severity, CHECK_WARN);
	ck_assert_ptr_null(find(&r, "P05"));
	check_report_fini(&r);
	ck_assert_int_eq(check_run(h, &named, &r, &e), 0);
	ck_assert_int_eq(find(&r, "P16")->severity, CHECK_FAIL);
	ck_assert_ptr_nonnull(find(&r, "P05"));
	ck_assert_int_eq(r.list[0].severity, CHECK_FAIL); /* worst first */
	check_report_fini(&r);
	host_close(h);
}
END_TEST

/* A plan warns of it as well (bind/busy). */
START_TEST(names_what_holds_a_bar)
{
	static const struct {
		const char *iomem, *says;
	} rows[] = {
		{"    c0800000-c08fffff : ramoops\\n", "ramoops holds a part of its BAR 0"},
		{"    c0000000-c0ffffff : qat\\n", NULL}, /* the driver's own */
		{"    c0000000-c07e8fff : BOOTFB\\n", NULL}, /* of check_framebuffer() */
	};
	const struct pci_address a = {.bus = 1};
	const struct check_request named = {.addresses = &a, .address_count = 1};
	const struct check_request all = {0};
	struct check_report r;
	struct err e = {0};
	char text[2048];

	for (size_t i = 0; i < COUNT(rows); i++) {
		(void)snprintf(text, sizeof(text),
			"%sfile resource 0x00000000c0000000 0x00000000c0ffffff 0x0000000000040200\n"
			"link driver ../../../bus/pci/drivers/qat\n"
			"file /proc/iomem c0000000-c10fffff : PCI Bus 0000:01\\n"
			"  c0000000-c0ffffff : 0000:01:00.0\\n%s\n",
			denied, rows[i].iomem);
		struct host *h = replay_lines(text);
		ck_assert_int_eq(check_run(h, &named, &r, &e), 0);
		const struct check_finding *f = find(&r, "P17");
		ck_assert_msg((f != NULL) == (rows[i].says != NULL), "row %zu", i);
		if (f) {
			ck_assert_str_eq(f->path, "/proc/iomem");
			ck_assert_str_eq(f->value, "ramoops");
			ck_assert_int_eq(f->severity, CHECK_WARN);
			ck_assert_msg(strstr(f->text, rows[i].says) != NULL, "%s", f->text);
		}
		check_report_fini(&r);
		ck_assert_int_eq(check_run(h, &all, &r, &e), 0);
		ck_assert_ptr_null(find(&r, "P17"));
		check_report_fini(&r);
		host_close(h);
	}
}
END_TEST

/* Each of the two is below the other, as a snapshot from a stranger may have it. */
START_TEST(ends_where_links_lead_in_a_circle)
{
	const struct pci_address a = {.bus = 1};
	const struct check_request named = {.addresses = &a, .address_count = 1};
	struct host *h =
		replay_lines("link /sys/bus/pci/devices/0000:01:00.0 "
			     "../../../devices/0000:02:00.0/0000:01:00.0\n"
			     "link /sys/bus/pci/devices/0000:02:00.0 "
			     "../../../devices/0000:01:00.0/0000:02:00.0\n"
			     "at /sys/devices/0000:02:00.0/0000:01:00.0\n"
			     "file vendor 0x8086\nfile device 0x37c8\nfile class 0x0b4000\n"
			     "link iommu_group ../../../kernel/iommu_groups/1\n"
			     "at /sys/devices/0000:01:00.0/0000:02:00.0\n"
			     "file vendor 0x8086\nfile device 0x37c9\nfile class 0x060400\n"
			     "link iommu_group ../../../kernel/iommu_groups/1\n"
			     "dir /sys/kernel/iommu_groups/1\n");
	struct check_report r;
	struct err e = {0};

	ck_assert_int_eq(check_run(h, &named, &r, &e), 0);
	/* No domain is above another there, so that none is that of a VMD. */
	for (size_t i = 0; i < r.count; i++)
		ck_assert_ptr_null(strstr(r.list[i].text, "volume management"));
	check_report_fini(&r);
	host_close(h);
}
END_TEST

START_TEST(says_what_it_could_not_see)
{
	const struct check_request all = {0};
	struct host *h = replay_lines("fail /proc/interrupts EACCES\nfail /dev/kmsg EPERM\n"
				      "dir /sys/kernel/iommu_groups/1\n");
	struct check_report r;
	struct err e = {0};
	unsigned seen = 0;

	ck_assert_int_eq(check_run(h, &all, &r, &e), 0);
	for (size_t i = 0; i < r.blind_count; i++) {
		if (strcmp(r.blind[i].rule->id, "H05") == 0)
			seen += r.blind[i].error == -EACCES;
		if (strcmp(r.blind[i].rule->id, "H17") == 0)
			seen += r.blind[i].error == -EPERM;
	}
	ck_assert_uint_eq(seen, 2);
	ck_assert_ptr_null(find(&r, "H05"));
	check_report_fini(&r);
	host_close(h);
}
END_TEST

START_TEST(refuses_what_is_not_there)
{
	const struct pci_address a = {.bus = 7};
	const struct check_request q = {.addresses = &a, .address_count = 1};
	struct host *h = replay_lines(denied);
	struct check_report r;
	struct err e = {0};

	ck_assert_int_eq(check_run(h, &q, &r, &e), -ENODEV);
	ck_assert_ptr_nonnull(strstr(e.msg, "0000:07:00.0"));
	check_report_fini(&r);
	host_close(h);
}
END_TEST

START_TEST(knows_words_of_a_command_line)
{
	const char *at = "  a=1\tbb  vfio-pci.ids=1:2";
	char word[8];

	ck_assert(boot_next_word(&at, word, sizeof(word)));
	ck_assert_str_eq(word, "a=1");
	ck_assert(boot_next_word(&at, word, sizeof(word)));
	ck_assert_str_eq(word, "bb");
	ck_assert(boot_next_word(&at, word, sizeof(word)));
	ck_assert_str_eq(word, "vfio-pc"); /* cut to the buffer; the rest is skipped */
	ck_assert(!boot_next_word(&at, word, sizeof(word)));
	ck_assert(boot_has("x vfio_pci.ids=3", "vfio-pci.ids=", word, sizeof(word)));
	ck_assert(!boot_has("xiommu=off", "iommu=off", NULL, 0));
	ck_assert(!boot_has("iommu=offline", "iommu=off", NULL, 0));
	ck_assert(!boot_has("", "iommu=off", NULL, 0));
	ck_assert(modprobe_value("a=1 ids=10de:1 b", "ids", word, sizeof(word)));
	ck_assert_str_eq(word, "10de:1");
}
END_TEST

#define ON "dir /sys/kernel/iommu_groups/1\ndir /sys/class/iommu/dmar0\n"
#define CARD                                                            \
	"link /sys/bus/pci/devices/0000:01:00.0 "                       \
	"../../../devices/pci0000:00/0000:01:00.0\n"                    \
	"at /sys/devices/pci0000:00/0000:01:00.0\n"                     \
	"file vendor 0x10de\nfile device 0x2484\nfile class 0x030000\n" \
	"file driver_override (null)\n"                                 \
	"link iommu_group ../../../kernel/iommu_groups/1\n"             \
	"link driver ../../../bus/pci/drivers/nvidia\n"

/* The severity of a finding depends on the rest of the host. NONE: no finding. */
#define NONE (-1)

/* A function of a slot behind a port, in a group of its own. */
#define BEHIND(fn, vendor, class) OF_ID(fn, vendor, "0x731f", class)
#define OF_ID(fn, vendor, id, class)                                                       \
	"link /sys/bus/pci/devices/0000:05:00." fn                                         \
	" ../../../devices/pci0000:00/0000:00:08.1/0000:05:00." fn                         \
	"\nat /sys/devices/pci0000:00/0000:00:08.1/0000:05:00." fn "\nfile vendor " vendor \
	"\nfile device " id                                                                \
	"\nfile class " class "\nlink iommu_group ../../../../kernel/iommu_groups/2" fn    \
			      "\nfile reset_method bus\n"
/* AMD's processor: its security processor is beside its display. */
#define PROCESSOR BEHIND("0", "0x1002", "0x030000") BEHIND("2", "0x1022", "0x108000")
#define BOARD RADEON("731f")
#define RADEON(id) OF_ID("0", "0x1002", "0x" id, "0x030000") BEHIND("2", "0x1002", "0x0c0330")
#define VIRTUAL BEHIND("0", "0x8086", "0x030000") "link physfn ../0000:05:00.7\n"
#define AUDIO                                                           \
	"link /sys/bus/pci/devices/0000:05:00.1 "                       \
	"../../../devices/pci0000:00/0000:00:08.1/0000:05:00.1\n"       \
	"at /sys/devices/pci0000:00/0000:00:08.1/0000:05:00.1\n"        \
	"file vendor 0x10de\nfile device 0x228b\nfile class 0x040300\n" \
	"link iommu_group ../../../../kernel/iommu_groups/20\n"
#define TO(driver) "link driver ../../x/drivers/" driver "\n"
/* A board in one group, of which the display is on vfio-pci. */
#define HALF(driver) ON BEHIND("0", "0x10de", "0x030000") TO("vfio-pci") AUDIO driver

static const struct variant {
	const char *host;
	const char *id;
	int severity;
	const char *text; /* a part of the finding's text */
} variants[] = {
	{ON "file /proc/interrupts  1: 0 IO-APIC 1-edge", "H05", CHECK_FAIL, "refuses"},
	{ON "file /proc/interrupts  1: 0 IO-APIC 1-edge\n"
	    "file /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts Y",
		"H05", CHECK_WARN, "forge"},
	{ON "file /proc/interrupts  1: 0 IR-IO-APIC 1-edge", "H05", NONE, NULL},
	{ON "file /proc/interrupts  1: 0 GICv3 27 Level", "H05", NONE, NULL},
	{"file /proc/interrupts  1: 0 IO-APIC 1-edge", "H05", NONE, NULL},
	{"node /dev/iommu 0660 0:0", "H07", CHECK_INFO, "iommufd is available"},
	{"file /etc/hostname x", "H07", CHECK_INFO, "iommufd is not available"},
	{"file /sys/module/vfio/parameters/enable_unsafe_noiommu_mode N", "H08", NONE, NULL},
	{"file /sys/module/vfio_pci/parameters/disable_denylist Y", "H09", CHECK_WARN, "unsafe"},
	{"file /sys/module/vfio_pci/parameters/disable_idle_d3 Y", "H09", CHECK_INFO, "stay awake"},
	{"file /sys/kernel/security/lockdown [none] integrity", "H10", NONE, NULL},
	{"file /sys/kernel/security/lockdown none [integrity]", "H10", CHECK_INFO, "signed"},
	{"bytes /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c 5 "
	 "0:0600000001",
		"H10", CHECK_INFO, "Secure Boot"},
	{"file /proc/self/limits Max locked memory         8589934592      8589934592 bytes", "H11",
		CHECK_INFO, "8192 MiB"},
	{"file /proc/self/limits Max locked memory         unlimited       unlimited  bytes", "H11",
		NONE, NULL},
	{"file /proc/self/status Uid:\t0\t0\\nCapEff:\t000001ffffffffff\n"
	 "file /proc/self/limits Max locked memory         65536      65536 bytes",
		"H11", NONE, NULL},
	{"file /sys/class/iommu/dmar0/intel-iommu/cap d2008c222f0606", "H18", CHECK_INFO,
		"48 bits"},
	{"file /sys/class/iommu/dmar0/intel-iommu/cap 1c0000c40660462", "H18", CHECK_WARN,
		"39 bits"},
	{CARD "file /etc/modprobe.d/a.conf options vfio-pci ids=10de:9999", "H15", CHECK_INFO,
		"of which this host has none"},
	{CARD "file /etc/modprobe.d/a.conf options vfio-pci ids=10de:2484", "H15", CHECK_INFO,
		"at present one"},
	{CARD "file power/runtime_status active\nbytes config 64 0:ffffffff", "P21", CHECK_WARN,
		"does not respond"},
	{CARD "file power/runtime_status suspended\nbytes config 64 0:ffffffff", "P21", NONE, NULL},
	{CARD "file power/runtime_status active\nbytes config 64 0:de108424", "P21", NONE, NULL},
	{CARD "file power_state D3cold", "P14", NONE, NULL},
	{CARD "file reset_method bus", "P13", CHECK_WARN, "no function level reset"},
	{CARD "file reset_method flr bus", "P13", NONE, NULL},
	/* vendor-reset has a table of ids: Navi 10 is there, its neighbours and Navi 23 are not. */
	{RADEON("7311"), "P13", CHECK_WARN, "not every card"},
	{RADEON("73ff"), "P13", CHECK_WARN, "not every card"},
	{BOARD, "P13", CHECK_WARN, "do not survive"},
	{PROCESSOR, "P13", CHECK_WARN, "not every card"},
	{VIRTUAL, "P13", NONE, NULL},
	{BOARD, "P24", CHECK_WARN, "part of the same card"},
	{PROCESSOR, "P24", NONE, NULL},
	{HALF(TO("snd_hda_intel")), "P25", CHECK_WARN, "VFIO refuses"},
	{HALF(TO("vfio-pci")), "P25", NONE, NULL},
	{HALF(""), "P25", NONE, NULL},
};

static void weigh(const struct variant *v)
{
	const struct check_request all = {0};
	struct host *h = replay_lines(v->host);
	struct check_report r;
	struct err e = {0};

	ck_assert_int_eq(check_run(h, &all, &r, &e), 0);
	const struct check_finding *f = find(&r, v->id);
	if (v->severity == NONE) {
		ck_assert_msg(!f, "%s of '%s': %s", v->id, v->host, f ? f->text : "");
	} else {
		ck_assert_msg(f, "no %s of '%s'", v->id, v->host);
		ck_assert_msg(
			f->severity == (enum check_severity)v->severity, "%s: %s", v->id, f->text);
		ck_assert_msg(strstr(f->text, v->text), "%s: %s", v->id, f->text);
	}
	check_report_fini(&r);
	host_close(h);
}

START_TEST(weighs_what_it_finds)
{
	for (size_t i = 0; i < COUNT(variants); i++)
		weigh(&variants[i]);
}
END_TEST

SUITE("check", weighs_what_it_finds, keeps_its_table_in_order, fails_only_what_is_named,
	names_what_holds_a_bar, ends_where_links_lead_in_a_circle, says_what_it_could_not_see,
	refuses_what_is_not_there, knows_words_of_a_command_line)
