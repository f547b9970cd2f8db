/* SPDX-License-Identifier: MIT */
#include "view/names.h"

#include "base/file.h"
#include "pci/device.h"
#include "suite.h"

static struct names *from_fixture(void)
{
	char path[FILE_PATH_MAX];

	ck_assert_int_eq(file_path(path, sizeof(path), "%s/pci.ids", suite_fixtures), 0);
	struct names *n = names_from_ids(path);
	ck_assert_ptr_nonnull(n);
	return n;
}

static void expect(struct names *n, uint16_t vendor, uint16_t device, const char *want)
{
	struct pci_device d = {.vendor = vendor, .device = device};
	char text[2 * NAMES_TEXT];

	names_both(n, &d, text, sizeof(text));
	ck_assert_str_eq(text, want);
}

START_TEST(finds_names)
{
	struct names *n = from_fixture();

	expect(n, 0x1af4, 0x1041, "Red Hat, Inc. Virtio network device");
	expect(n, 0x1af4, 0x1042, "Red Hat, Inc. Virtio block device");
	expect(n, 0x10de, 0x2484, "NVIDIA Corporation GA104 [GeForce RTX 3070]");
	names_free(n);
}
END_TEST

START_TEST(falls_back_to_ids)
{
	struct names *n = from_fixture();

	expect(n, 0x10de, 0x1041, "NVIDIA Corporation 1041"); /* another vendor's device */
	expect(n, 0x1234, 0x0001, "Technical Corp. 0001"); /* the last vendor */
	expect(n, 0x8086, 0x100e, "8086:100e");
	expect(n, 0xffff, 0x0000, "ffff:0000"); /* below the classes */
	expect(n, 0x1af4, 0x1100, "Red Hat, Inc. 1100"); /* a subsystem is no device */
	expect(NULL, 0x1af4, 0x1041, "1af4:1041");
	names_free(n);
}
END_TEST

START_TEST(escapes_them)
{
	struct names *n = from_fixture();

	expect(n, 0x10df, 0x0001, "A vendor with\\x09a tab 0001");
	names_free(n);
}
END_TEST

START_TEST(lives_without_a_file)
{
	ck_assert_ptr_null(names_from_ids("/nonexistent"));
	ck_assert_ptr_null(names_from_ids("/dev/null"));
	names_free(NULL);
	names_free(names_new()); /* from the files of this machine */
}
END_TEST

SUITE("names", finds_names, falls_back_to_ids, escapes_them, lives_without_a_file)
