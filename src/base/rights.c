/* SPDX-License-Identifier: MIT */
#include "base/rights.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's last capability is known only by trying: it does not know the one behind. */
int rights_unbound(void)
{
	unsigned long cap = 0;

	while (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
		cap++;
	return cap && errno == EINVAL ? 0 : -errno;
}

int rights_become(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0)
		return -errno;
	if (setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

/* The process keeps the capabilities of @kept, and gets no other ever again. */
static int capabilities_set(const struct __user_cap_data_struct kept[_LINUX_CAPABILITY_U32S_3])
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	/* 1 also stops a dump into a program (core_pattern "|…"), for which 0 is no limit. */
	const struct rlimit core = {1, 1};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
		syscall(SYS_capset, &head, kept) < 0 || setrlimit(RLIMIT_CORE, &core) < 0)
		return -errno;
	return 0;
}

/* Last: the kernel sets it anew with each change of the ids. */
static int dump_refuse(void)
{
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

int rights_drop(void)
{
	static const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	int r = capabilities_set(none);
	return r < 0 ? r : dump_refuse();
}

/* While the bounding set still has it: later it could not become inheritable. */
static int capability_inherit(unsigned cap)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct all[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, all) < 0)
		return -errno;
	all[CAP_TO_INDEX(cap)].inheritable |= CAP_TO_MASK(cap);
	return syscall(SYS_capset, &head, all) < 0 ? -errno : 0;
}

int rights_reduce(uid_t uid, gid_t gid, unsigned cap)
{
	struct __user_cap_data_struct one[_LINUX_CAPABILITY_U32S_3] = {{0}};

	one[CAP_TO_INDEX(cap)] = (struct __user_cap_data_struct){
		CAP_TO_MASK(cap), CAP_TO_MASK(cap), CAP_TO_MASK(cap)};
	int r = capability_inherit(cap);
	if (r < 0)
		return r;
	r = rights_unbound();
	if (r < 0)
		return r;
	/* Else an ordinary user loses all with the change of the user. An exec forgets the flag. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	r = rights_become(uid, gid);
	if (r < 0)
		return r;
	r = capabilities_set(one);
	if (r < 0)
		return r;
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0 ? -errno : dump_refuse();
}
