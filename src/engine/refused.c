/* SPDX-License-Identifier: MIT */
#include "engine/refused.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "engine/callname.h"
#include "wire/refused.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/audit.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int refused_page(void)
{
	cleanup_fd int fd = memfd_create("usher-refused", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, WIRE_REFUSED_PAGE) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* A call of another architecture has other numbers. */
static void call_describe(const struct wire_refused *r, char *ret, size_t size)
{
	const char *name = r->arch == AUDIT_ARCH_X86_64 ? callname_find(r->call) : NULL;

	if (name)
		(void)snprintf(ret, size, "'%s'", name);
	else
		(void)snprintf(
			ret, size, "%" PRIu32 " of architecture 0x%" PRIx32, r->call, r->arch);
}

/* The name goes into a sentence. */
static bool kind_is_plain(const char *kind, size_t size)
{
	const char *end = memchr(kind, '\0', size);

	for (const char *c = kind; end && c < end; c++)
		if (*c < 'a' || *c > 'z')
			return false;
	return end && end > kind;
}

int refused_read(int fd, struct err *e)
{
	struct wire_refused page;
	char call[64];

	if (fd < 0 || pread(fd, &page, sizeof(page), 0) != sizeof(page) || page.made != 1 ||
		!kind_is_plain(page.thread, sizeof(page.thread)))
		return 0;
	call_describe(&page, call, sizeof(call));
	(void)err_say(e, -EPERM,
		"a %s thread of usher-vmm made system call %s (second argument 0x%" PRIx64
		"), which its filter refuses",
		page.thread, call, page.argument);
	err_hint(e, "usher has a bug, or the guest has taken over usher-vmm: report it");
	return 1;
}
