/* SPDX-License-Identifier: MIT */
#include "vmm/acpi/acpi.h"

#include "base/endian.h"
#include "base/fd.h"
#include "base/num.h"
#include "board.h"
#include "suite.h"
#include "vmm/acpi/aml.h"
#include "vmm/cpu.h"
#include "vmm/power.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT 0xe0000

static uint8_t tables[0x10000];

static struct acpi_machine make_machine(void)
{
	struct acpi_machine m = board_make();

	m.cpu_count = 3;
	m.slots = 32;
	m.ecam = (struct pci_window){0xe8000000, MIB(2)};
	m.windows.io = (struct pci_window){0x1000, 0xf000};
	m.windows.mem32 = (struct pci_window){0xc0000000, 0x28000000};
	m.windows.mem64 = (struct pci_window){GIB(16), GIB(64)};
	return m;
}

static uint8_t sum_bytes(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s = (uint8_t)(s + *p++);
	return s;
}

/* Finds the table with @signature in the guest's way: RSDP, XSDT, FADT. */
static const uint8_t *find_table(const char *signature)
{
	const uint8_t *xsdt = tables + (le64_get(tables + 24) - AT);

	ck_assert_int_eq(memcmp(xsdt, "XSDT", 4), 0);
	for (uint32_t off = 36; off < le32_get(xsdt + 4); off += 8) {
		const uint8_t *t = tables + (le64_get(xsdt + off) - AT);
		if (memcmp(t, signature, 4) == 0)
			return t;
		if (memcmp(t, "FACP", 4) == 0 && strcmp(signature, "DSDT") == 0)
			return tables + (le64_get(t + 140) - AT);
	}
	ck_abort_msg("no table %s", signature);
	return NULL;
}

static void build_tables(void)
{
	struct acpi_machine m = make_machine();

	ck_assert_int_gt(acpi_build(&m, tables, sizeof(tables), GPA(AT), NULL), 0);
}

START_TEST(checksums_hold)
{
	static const char *const all[] = {"FACP", "APIC", "MCFG", "DSDT"};

	build_tables();
	ck_assert_int_eq(memcmp(tables, "RSD PTR ", 8), 0);
	ck_assert_uint_eq(sum_bytes(tables, 20), 0);
	ck_assert_uint_eq(sum_bytes(tables, 36), 0);
	for (size_t i = 0; i < COUNT(all); i++)
		ck_assert_uint_eq(
			sum_bytes(find_table(all[i]), le32_get(find_table(all[i]) + 4)), 0);
}
END_TEST

START_TEST(fadt_is_hardware_reduced)
{
	build_tables();
	const uint8_t *f = find_table("FACP");
	ck_assert_uint_eq(le32_get(f + 4), 276);
	ck_assert_uint_eq(le32_get(f + 112) & (1U << 20 | 1U << 10), 1U << 20 | 1U << 10);
	ck_assert_uint_eq(le64_get(f + 116 + 4), 0x602);
	ck_assert_uint_eq(f[128], 1);
	ck_assert_uint_eq(le64_get(f + 244 + 4), 0x600);
	ck_assert_uint_eq(le64_get(f + 256 + 4), 0x601);
	/* No 8042, no VGA, no RTC: nothing to probe. */
	ck_assert_uint_eq(le16_get(f + 109), 1U << 2 | 1U << 4 | 1U << 5);
}
END_TEST

START_TEST(madt_and_mcfg)
{
	build_tables();
	const uint8_t *m = find_table("APIC");
	ck_assert_uint_eq(le32_get(m + 4), 36 + 8 + 3 * 8 + 12 + 6);
	ck_assert_uint_eq(le32_get(m + 40), 0); /* no 8259 */
	ck_assert_uint_eq(m[44 + 2 * 8 + 3], 2);
	ck_assert_uint_eq(m[44 + 3 * 8], 1);
	ck_assert_uint_eq(le32_get(m + 44 + 3 * 8 + 4), 0xfec00000);
	const uint8_t *c = find_table("MCFG");
	ck_assert_uint_eq(le64_get(c + 44), 0xe8000000);
	ck_assert_uint_eq(c[44 + 11], 1);
}
END_TEST

/* The most that a machine has, in the window that it has for its tables. */
START_TEST(the_largest_machine_has_room)
{
	struct acpi_machine m = make_machine();

	m.cpu_count = CPUS_MAX;
	m.ecam.size = MIB(PCI_BUSES_MAX);
	ck_assert_int_gt(acpi_build(&m, tables, POWER_VECTOR - AT, GPA(AT), NULL), 0);
	const uint8_t *madt = find_table("APIC");
	ck_assert_uint_eq(le32_get(madt + 4), 36 + 8 + CPUS_MAX * 8 + 12 + 6);
	for (unsigned i = 0; i < CPUS_MAX; i++) {
		ck_assert_uint_eq(madt[44 + 8 * i + 3], i);
		ck_assert_uint_eq(le32_get(madt + 44 + 8 * i + 4), 1);
	}
	ck_assert_uint_eq(sum_bytes(madt, le32_get(madt + 4)), 0);
}
END_TEST

START_TEST(no_room_is_an_error)
{
	struct acpi_machine m = make_machine();
	int need = acpi_build(&m, tables, sizeof(tables), GPA(AT), NULL);

	for (int size = 0; size < need; size++)
		ck_assert_int_eq(acpi_build(&m, tables, (size_t)size, GPA(AT), NULL), -ENOSPC);
	ck_assert_int_eq(acpi_build(&m, tables, (size_t)need, GPA(AT), NULL), need);
}
END_TEST

START_TEST(lengths_and_integers)
{
	uint8_t buf[64];
	struct aml a = {.buf = buf, .size = sizeof(buf)};
	size_t block = aml_package(&a, 6);
	static const uint8_t want[] = {0x12, 0xc7, 0x01, 0x00, 0x00, 6, 0, 1, 0x0a, 0xff, 0x0b, 0,
		1, 0x0c, 0, 0, 1, 0, 0x0e, 0, 0, 0, 0, 1, 0, 0, 0};

	aml_integer(&a, 0);
	aml_integer(&a, 1);
	aml_integer(&a, 0xff);
	aml_integer(&a, 0x100);
	aml_integer(&a, 0x10000);
	aml_integer(&a, UINT64_C(0x100000000));
	aml_end(&a, block);
	ck_assert_uint_eq(a.len, sizeof(want));
	ck_assert_uint_eq(le_get(buf + 1, 4) & 0xf, (sizeof(want) - 1) & 0xf);
	ck_assert_uint_eq(buf[2], (sizeof(want) - 1) >> 4);
	ck_assert_int_eq(memcmp(buf + 5, want + 5, sizeof(want) - 5), 0);
	aml_eisa(&a, "PNP0A08");
	ck_assert_uint_eq(le32_get(buf + a.len - 4), 0x080ad041);
}
END_TEST

static char work[] = "/tmp/usher-acpi-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

static void remove_folder(void)
{
	(void)nftw(work, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A folder that is removed at the end of the test's own process. */
static const char *make_folder(void)
{
	ck_assert_ptr_nonnull(mkdtemp(work));
	ck_assert_int_eq(atexit(remove_folder), 0);
	return work;
}

/* Runs a program of acpica-tools in @dir; without them the test is skipped. */
static int run_in(const char *dir, const char *out, const char *const words[])
{
	pid_t pid = fork();

	if (!pid) {
		if (chdir(dir) == 0 && freopen(out, "w", stdout) &&
			dup2(STDOUT_FILENO, STDERR_FILENO) >= 0)
			(void)execvp(words[0], (char *const *)(uintptr_t)words);
		_exit(127);
	}
	int status = 0;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(
		WIFEXITED(status) && WEXITSTATUS(status) != 127, "no %s: acpica-tools", words[0]);
	return WEXITSTATUS(status);
}

static int run_iasl(const char *dir, const char *option, const char *file)
{
	return run_in(dir, "iasl.out", (const char *const[]){"iasl", option, file, NULL});
}

static void write_table(const char *dir, const char *signature)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s.dat", dir, signature);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(
		fwrite(find_table(signature), le32_get(find_table(signature) + 4), 1, f), 1);
	(void)fclose(f);
}

static char *text_of(const char *dir, const char *name)
{
	static char text[KIB(256)];
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	(void)fclose(f);
	return text;
}

START_TEST(iasl_reads_them)
{
	static const char *const all[] = {"FACP", "APIC", "MCFG", "DSDT"};
	char name[32];
	const char *dir = make_folder();

	build_tables();
	for (size_t i = 0; i < COUNT(all); i++) {
		write_table(dir, all[i]);
		(void)snprintf(name, sizeof(name), "%s.dat", all[i]);
		ck_assert_msg(!run_iasl(dir, "-d", name), "iasl -d %s: %s", all[i],
			text_of(dir, "iasl.out"));
		ck_assert_ptr_null(strstr(text_of(dir, "iasl.out"), "rror"));
	}
	/*
	 * The disassembled tables compile without an error or a warning, and have the right
	 * content.
	 */
	ck_assert_int_eq(run_iasl(dir, "-ve", "DSDT.dsl"), 0);
	char *text = text_of(dir, "DSDT.dsl");
	ck_assert_ptr_nonnull(strstr(text, "Device (PCI0)"));
	ck_assert_ptr_nonnull(strstr(text, "\"PNP0A08\""));
	ck_assert_ptr_nonnull(strstr(text, "Name (_PRT, Package (0x80)"));
	ck_assert_ptr_nonnull(strstr(text, "0x0000000400000000, // Range Minimum"));
	ck_assert_ptr_nonnull(strstr(text, "0x0CF8,             // Range Minimum"));
	ck_assert_ptr_nonnull(strstr(text, "IRQNoFlags"));
	ck_assert_ptr_nonnull(strstr(text, "_S5"));
	ck_assert_ptr_nonnull(strstr(text, "Method (_OSC, 4, Serialized)"));
	ck_assert_ptr_nonnull(strstr(text, "33db4d5b-1ff7-401c-9657-7441c03dd766"));
}
END_TEST

/* Linux asks for everything that it can drive. It gets the control of slots. */
START_TEST(grants_slots_alone)
{
	static const struct {
		const char *command, *answer;
	} asked[] = {
		{"execute \\_SB.PCI0._OSC (5B4DDB33F71F1C4096577441C03DD766) 1 3 "
		 "(010000001F0000001F000000)",
			"11 00 00 00 1F 00 00 00 11 00 00 00"},
		{"execute \\_SB.PCI0._OSC (5B4DDB33F71F1C4096577441C03DD766) 1 3 "
		 "(000000001F00000011000000)",
			"00 00 00 00 1F 00 00 00 11 00 00 00"},
		{"execute \\_SB.PCI0._OSC (00000000000000000000000000000000) 1 2 "
		 "(000000001F000000)",
			"04 00 00 00 1F 00 00 00"},
	};
	const char *dir = make_folder();

	build_tables();
	write_table(dir, "DSDT");
	for (size_t i = 0; i < COUNT(asked); i++) {
		ck_assert_int_eq(run_in(dir, "acpiexec.out",
					 (const char *const[]){"acpiexec", "-b", asked[i].command,
						 "DSDT.dat", NULL}),
			0);
		const char *said = text_of(dir, "acpiexec.out");
		ck_assert_msg(strstr(said, asked[i].answer) != NULL, "%s", said);
	}
}
END_TEST

/* The guest's kernel has the method say which device an interrupt is of. */
START_TEST(presses_the_button)
{
	const char *dir = make_folder();

	build_tables();
	write_table(dir, "DSDT");
	ck_assert_int_eq(run_in(dir, "acpiexec.out",
				 (const char *const[]){"acpiexec", "-b",
					 "execute \\_SB.GED0._EVT 5", "DSDT.dat", NULL}),
		0);
	const char *said = text_of(dir, "acpiexec.out");
	ck_assert_msg(strstr(said, "Received a Device Notify on [PWRB]") ||
			      (strstr(said, "PWRB") && strstr(said, "0x80")),
		"%s", said);
}
END_TEST

SUITE("acpi", presses_the_button, checksums_hold, fadt_is_hardware_reduced, madt_and_mcfg,
	the_largest_machine_has_room, no_room_is_an_error, lengths_and_integers, iasl_reads_them,
	grants_slots_alone)
