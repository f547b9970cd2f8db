/* SPDX-License-Identifier: MIT */
/* Where pieces of BARs go when guest memory has no range left for them. */
#include "vmm/pci/space.h"

#include "base/log.h"
#include "base/num.h"
#include "suite.h"
#include "vmm/vm.h"

#include <stdlib.h>
#include <string.h>

#define PIECES 12

static char said[4096];
static uint8_t *pages;

static void keep_line(void *ctx, const char *text, size_t len)
{
	size_t have = strlen(said);

	(void)snprintf(said + have, sizeof(said) - have, "%.*s", (int)len, text);
}

static unsigned count_lines(void)
{
	unsigned count = 0;

	for (const char *at = said; (at = strchr(at, '\n')); at++)
		count++;
	return count;
}

static struct vm vm;
static struct func_piece pieces[PIECES];

/* A guest in whose memory there is room for @left more ranges. */
static void setup(size_t left)
{
	static const struct vm empty = {.name = "guest",
		.memory = MEMORY_NONE,
		.space = PCI_SPACE_NONE,
		.ports = BUS_INIT("ports"),
		.mmio = BUS_INIT("mmio")};

	said[0] = '\0';
	log_set_output(keep_line, NULL);
	vm = empty;
	pages = aligned_alloc(4096, 4096);
	ck_assert_ptr_nonnull(pages);
	for (size_t i = 0; i < MEMORY_RANGES_MAX - left; i++) {
		const struct memory_range r = {.gpa = GPA(GIB(8) + i * MIB(2)),
			.size = 4096,
			.host = pages,
			.kind = MEMORY_DEVICE};
		ck_assert_int_eq(memory_add(&vm.memory, &r, NULL), 0);
	}
	for (size_t i = 0; i < PIECES; i++)
		pieces[i] = (struct func_piece){.bus = &vm.mmio,
			.host = pages,
			.range = {.name = "0000:01:00.0 BAR 0",
				.base = 0xc0000000 + i * MIB(1),
				.size = 4096}};
}

static void teardown(void)
{
	memory_fini(&vm.memory);
	free(pages);
	log_set_output(NULL, NULL);
}

START_TEST(says_when_trapping_begins)
{
	setup(1);
	pieces[0].batch = &pieces[1];
	pci_space_place(&vm, &pieces[0]);
	ck_assert_int_eq(pieces[0].state, FUNC_PIECE_MAPPED);
	ck_assert_int_eq(pieces[1].state, FUNC_PIECE_TRAPPED);
	ck_assert_msg(strstr(said, "all 256 ranges of guest memory are in use, so each access to "
				   "0000:01:00.0 BAR 0 at 0xc0100000 exits") != NULL,
		"%s", said);
	/* A piece without pages is always trapped. A guest that places BARs again fills no log. */
	pieces[2].host = NULL;
	for (size_t i = 2; i < PIECES; i++)
		pci_space_place(&vm, &pieces[i]);
	for (int round = 0; round < 9; round++) {
		ck_assert(pci_space_leave(&vm, &pieces[3]));
		pci_space_place(&vm, &pieces[3]);
		ck_assert_int_eq(pieces[3].state, FUNC_PIECE_TRAPPED);
	}
	ck_assert_uint_eq(count_lines(), LOG_GUEST_LINES);
	teardown();
}
END_TEST

START_TEST(a_piece_that_comes_back_may_find_no_range)
{
	setup(1);
	pci_space_place(&vm, &pieces[0]);
	ck_assert(pci_space_fault(&vm, &pieces[0]));
	pci_space_place(&vm, &pieces[1]);
	ck_assert_int_eq(pieces[1].state, FUNC_PIECE_MAPPED);
	ck_assert_str_eq(said, "");
	pci_space_cure(&vm, &pieces[0]);
	ck_assert_int_eq(pieces[0].state, FUNC_PIECE_TRAPPED);
	ck_assert_uint_eq(count_lines(), 1);
	teardown();
}
END_TEST

SUITE("space", says_when_trapping_begins, a_piece_that_comes_back_may_find_no_range)
