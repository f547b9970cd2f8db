/* SPDX-License-Identifier: MIT */
#include "image/wall.h"

#include "base/num.h"
#include "base/rights.h"
#include "base/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MEMORY_MAX GIB(2) /* an unpacked kernel, its packed form and the libraries */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define IS_SANITIZED 1 /* it maps terabytes, and makes calls of its own */
#else
#define IS_SANITIZED 0
#endif

/*
 * What libext2fs, libblkid, libarchive and the C library need to read what is open, and to end. No
 * file is mapped: that would by-pass the limit of what is written to one.
 */
static const struct permission calls[] = {
	{.number = SYS_read},
	{.number = SYS_pread64},
	{.number = SYS_write},
	{.number = SYS_pwrite64},
	{.number = SYS_lseek},
	{.number = SYS_fstat},
	{.number = SYS_newfstatat}, /* of a descriptor; it opens no file */
	{.number = SYS_ftruncate},
	{.number = SYS_dup},
	{.number = SYS_close},
	{.number = SYS_fadvise64},
	{.number = SYS_fcntl, .request = F_GETFD},
	{.number = SYS_fcntl, .request = F_GETFL},
	{.number = SYS_ioctl, .request = BLKGETSIZE64},
	{.number = SYS_ioctl, .request = BLKSSZGET},
	{.number = SYS_sendmsg},
	{.number = SYS_brk},
	{.number = SYS_mmap, .flags = MAP_ANONYMOUS},
	{.number = SYS_munmap},
	{.number = SYS_mremap},
	{.number = SYS_madvise},
	{.number = SYS_mprotect},
	{.number = SYS_futex},
	{.number = SYS_getrandom},
	{.number = SYS_clock_gettime},
	{.number = SYS_rt_sigprocmask},
	{.number = SYS_rt_sigreturn},
	{.number = SYS_exit_group},
};

static int limits_set(void)
{
	const struct {
		int which;
		rlim_t most;
	} limits[] = {
		{RLIMIT_AS, MEMORY_MAX},
		{RLIMIT_CPU, WALL_SECONDS},
		{RLIMIT_FSIZE, WALL_FILE_MAX},
		{RLIMIT_NOFILE, 64},
	};

	for (size_t i = 0; i < COUNT(limits); i++) {
		const struct rlimit l = {limits[i].most, limits[i].most};
		if (setrlimit((__rlimit_resource_t)limits[i].which, &l) < 0)
			return -errno;
	}
	return 0;
}

/* The kernel forgets the signal of the keeper's death with a change of the user. */
static int user_become(uid_t uid)
{
	const pid_t parent = getppid();
	int number = 0;

	(void)prctl(PR_GET_PDEATHSIG, &number, 0, 0, 0);
	int r = rights_unbound();
	if (r == 0)
		r = rights_become(uid, uid);
	(void)prctl(PR_SET_PDEATHSIG, number, 0, 0, 0);
	if (r == 0 && number && getppid() != parent)
		(void)raise(number);
	return r;
}

int wall_raise(uid_t uid, const char **ret_step)
{
	/* An ordinary user may not; the list of calls has no way to a network either. */
	*ret_step = "leave the host's network";
	if (uid && unshare(CLONE_NEWNET) < 0)
		return -errno;
	/* EINVAL: this kernel has neither System V IPC nor message queues. */
	if (uid && unshare(CLONE_NEWIPC) < 0 && errno != EINVAL)
		return -errno;
	*ret_step = "become a user of its own";
	int r = uid ? user_become(uid) : 0;
	if (r < 0)
		return r;
	*ret_step = "drop its capabilities";
	r = rights_drop();
	if (r < 0 || IS_SANITIZED)
		return r;
	*ret_step = "limit its memory and time";
	r = limits_set();
	if (r < 0)
		return r;
	*ret_step = "filter its system calls";
	return seccomp_permit(calls, COUNT(calls));
}
