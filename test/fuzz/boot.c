/* SPDX-License-Identifier: MIT */
/*
 * The loader on a file that somebody made up: it must refuse or load, and never write outside of
 * guest memory. Input: the file.
 *
 * covers: src/vmm/boot.c
 */
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "vmm/boot.h"
#include "vmm/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct memory memory = MEMORY_NONE;
	struct boot_kernel kernel = {0};
	struct boot_initrd initrd;
	struct err e = {0};

	if (!memory.ram) {
		if (memory_init(&memory, MIB(4), MEMORY_PRIVATE, NULL) < 0)
			return 0;
		struct memory_range r = {.gpa = GPA(0), .size = MIB(4), .host = memory.ram};
		(void)memory_add(&memory, &r, NULL);
	}
	const struct boot_file file = {.fd = memfd_create("image", MFD_CLOEXEC), .name = "image"};
	(void)fd_write_full(file.fd, data, size);
	int r = boot_load_kernel(&memory, &file, &kernel, &e);
	if (r < 0 && !e.msg[0])
		__builtin_trap(); /* refused without a word */
	if (r == 0 && (kernel.end > MIB(4) || kernel.entry >= kernel.end))
		__builtin_trap();
	struct boot_info info = {.cmdline = "console=ttyS0"};
	if (boot_load_initrd(&memory, &file, kernel.end, MIB(4), &initrd, &e) == 0)
		info.initrd = initrd;
	(void)close(file.fd);
	for (size_t i = 0; i + 16 <= size; i += 16) {
		uint64_t range[2];
		memcpy(range, data + i, sizeof(range));
		boot_add_map(&info, range[0], range[1], BOOT_RAM);
	}
	if (boot_write_info(&memory, &info, &e) < 0)
		__builtin_trap(); /* its tables lie below the kernel, where RAM is */
	return 0;
}
