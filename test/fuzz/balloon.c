/* SPDX-License-Identifier: MIT */
/*
 * A driver that gives back any page. Of the host, pages of guest RAM that it named become zeroes,
 * and nothing else changes. Input: steps: a byte for what happens, then numbers of pages, or parts.
 *
 * covers: src/vmm/virtio/balloon_pages.c
 */
#include "base/num.h"
#include "input.h"
#include "require.h"
#include "vmm/copy.h"
#include "vmm/memory.h"
#include "vmm/virtio/balloon_pages.h"

#include <linux/virtio_balloon.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGE 4096U
#define HOST_PAGES 64U /* of this process: RAM of the guest is among them */
#define LIST GPA(0) /* where the driver lists numbers: the first page of RAM */
#define FILL 0x5a
#define STEPS_MAX 32

/* RAM of the guest: pages of the host from `first` on are at page `at` of the guest. */
static const struct {
	unsigned first, count, at;
	bool readonly;
} blocks[] = {{8, 16, 0, false}, {32, 8, 16, false}, {44, 4, 100, false}, {52, 4, 104, true}};

static uint8_t *host;
static struct memory memory = MEMORY_NONE;
static struct virtq queue = {.memory = &memory};
static struct balloon_pages pages = {.memory = &memory};
static bool named[HOST_PAGES];

static void memory_start(void)
{
	if (!host) {
		/* cppcheck-suppress invalidFunctionArg; anonymous memory is mapped from -1 */
		host = mmap(NULL, (size_t)HOST_PAGES * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		require(host != MAP_FAILED, "there is memory");
		for (size_t i = 0; i < COUNT(blocks); i++) {
			const struct memory_range r = {.gpa = GPA((uint64_t)blocks[i].at * PAGE),
				.size = (uint64_t)blocks[i].count * PAGE,
				.host = host + (size_t)blocks[i].first * PAGE,
				.kind = MEMORY_RAM,
				.readonly = blocks[i].readonly};
			require(memory_add(&memory, &r, NULL) == 0, "RAM is in the guest");
		}
	}
	memset(host, FILL, (size_t)HOST_PAGES * PAGE);
}

/* The driver may lose page @page of the guest. */
static void page_name(uint64_t page)
{
	for (size_t i = 0; i < COUNT(blocks); i++)
		if (!blocks[i].readonly && page - blocks[i].at < blocks[i].count)
			named[blocks[i].first + (page - blocks[i].at)] = true;
}

/* Pages that were not named are as they were; in the first one the driver writes itself. */
static void require_host(void)
{
	for (unsigned n = 0; n < HOST_PAGES; n++) {
		const uint8_t *page = host + (size_t)n * PAGE;
		for (unsigned i = 0; i < PAGE; i += 64)
			require(page[i] == FILL || (named[n] && page[i] == 0) ||
					n == blocks[0].first,
				"what the guest did not give back is as it was");
	}
}

static void driver_lists(struct input *in)
{
	const unsigned count = input_byte(in) % 32;
	struct virtq_chain c = {.out_count = 1, .part_count = 1, .out_size = 4 * count};

	c.parts[0] = (struct virtq_part){LIST, 4 * count};
	for (unsigned i = 0; i < count; i++) {
		const uint8_t kind = input_byte(in);
		const uint32_t number = kind < 128 ? kind : (uint32_t)input_number(in);
		(void)memory_le32_put(&memory, GPA(LIST.v + 4 * i), number);
		page_name(number);
	}
	(void)balloon_pages_list(&pages, &queue, &c);
}

static void driver_reports(struct input *in)
{
	struct virtq_chain c = {.part_count = 1 + input_byte(in) % 4};

	for (unsigned i = 0; i < c.part_count; i++) {
		const uint8_t kind = input_byte(in);
		const uint64_t at = kind < 128 ? (uint64_t)kind * PAGE : input_number(in);
		const uint64_t off = kind & 1 ? input_bytes(in, 2) % PAGE : 0;
		const uint32_t size = kind & 2 ? (uint32_t)input_number(in)
					       : input_byte(in) % 8 * PAGE + (kind & 4);
		c.parts[i] = (struct virtq_part){GPA(at + off), size};
		c.in_size += size;
		for (uint64_t page = (at + off + PAGE - 1) / PAGE;
			page < 128 && (page + 1) * PAGE <= at + off + size; page++)
			page_name(page);
	}
	(void)balloon_pages_report(&pages, &c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	memory_start();
	memset(named, 0, sizeof(named));
	for (unsigned i = 0; in.at < in.end && i < STEPS_MAX; i++) {
		const uint64_t before = pages.returned;
		if (input_byte(&in) & 1)
			driver_lists(&in);
		else
			driver_reports(&in);
		require(pages.returned - before <= UINT64_C(32) * HOST_PAGES * PAGE,
			"no more is returned than there is");
		require_host();
	}
	return 0;
}
