/* SPDX-License-Identifier: MIT */
#include "base/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * How it works
 *
 * The kernel runs a program of classic BPF at each system call. Ours is a list of comparisons, once
 * for calls of 64 bits and once for those of 32 bits, because the numbers differ:
 *
 *	architecture: i386 -> its list; not x86-64 -> refuse
 *	number: of x32, or one of the list -> refuse; else allow
 *
 * A jump says how many instructions it skips, in 8 bits, so each comparison is complete in itself.
 */
#define ROOM 256
#define X32 0x40000000U /* set in the numbers of x32's calls, which reach the same code */

#if defined(__x86_64__)

struct writer {
	struct sock_filter code[ROOM];
	size_t used;
	bool full;
};

static void code_add(struct writer *w, struct sock_filter one)
{
	if (w->used == ROOM)
		w->full = true;
	else
		w->code[w->used++] = one;
}

static void code_load(struct writer *w, uint32_t offset)
{
	code_add(w, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));
}

static void code_return(struct writer *w, uint32_t what)
{
	code_add(w, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what));
}

/* Compares what was loaded. If that is false, skips @skip instructions. */
static void code_unless(struct writer *w, uint16_t how, uint32_t value, uint8_t skip)
{
	code_add(
		w, (struct sock_filter)BPF_JUMP((uint16_t)(BPF_JMP | how | BPF_K), value, 0, skip));
}

/* The low half of an argument, on a processor of little end: flags and requests are all there. */
static void argument_write(struct writer *w, const struct refusal *r)
{
	uint32_t refuse = SECCOMP_RET_ERRNO | (uint32_t)r->error;
	uint32_t offset = offsetof(struct seccomp_data, args);

	if (r->kind == REFUSE_SECOND)
		offset += sizeof(uint64_t);
	code_load(w, offset);
	code_unless(w, r->kind == REFUSE_SECOND ? BPF_JEQ : BPF_JSET, r->bits, 1);
	code_return(w, r->kind == REFUSE_WITHOUT ? SECCOMP_RET_ALLOW : refuse);
	if (r->kind != REFUSE_SECOND) {
		code_return(w, r->kind == REFUSE_WITHOUT ? refuse : SECCOMP_RET_ALLOW);
		return;
	}
	/* Another request of the same call may be in the list, too. */
	code_load(w, offsetof(struct seccomp_data, nr));
}

static void refusal_write(struct writer *w, const struct refusal *r, int number)
{
	if (number < 0)
		return;
	code_unless(w, BPF_JEQ, (uint32_t)number, r->kind == REFUSE_ALWAYS ? 1 : 4);
	if (r->kind == REFUSE_ALWAYS)
		code_return(w, SECCOMP_RET_ERRNO | (uint32_t)r->error);
	else
		argument_write(w, r);
}

static void list_write(struct writer *w, const struct refusal *list, size_t count, bool is_32)
{
	code_load(w, offsetof(struct seccomp_data, nr));
	if (!is_32) {
		code_unless(w, BPF_JGE, X32, 1);
		code_return(w, SECCOMP_RET_ERRNO | ENOSYS);
	}
	for (size_t i = 0; i < count; i++)
		refusal_write(w, &list[i], is_32 ? list[i].number_32 : list[i].number);
	code_return(w, SECCOMP_RET_ALLOW);
}

/* Without the flag, kernels before 5.16 slow the process down against Spectre. */
static int program_load(const struct writer *w)
{
	const struct sock_fprog program = {
		.len = (uint16_t)w->used, .filter = (struct sock_filter *)(uintptr_t)w->code};

	if (w->full)
		return -E2BIG;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		       &program) < 0
		       ? -errno
		       : 0;
}

static void permission_write(struct writer *w, const struct permission *p)
{
	const unsigned argument = p->request ? 1 : 3;
	const uint32_t value = p->request ? p->request : p->flags;

	code_unless(w, BPF_JEQ, (uint32_t)p->number, value ? 4 : 1);
	if (value) {
		code_load(w, (uint32_t)(offsetof(struct seccomp_data, args) +
					argument * sizeof(uint64_t)));
		code_unless(w, p->request ? BPF_JEQ : BPF_JSET, value, 1);
	}
	code_return(w, SECCOMP_RET_ALLOW);
	/* Another request of the same call may be in the list, too. */
	if (value)
		code_load(w, offsetof(struct seccomp_data, nr));
}

int seccomp_permit(const struct permission *list, size_t count)
{
	struct writer w = {0};

	code_load(&w, offsetof(struct seccomp_data, arch));
	code_unless(&w, BPF_JEQ, AUDIT_ARCH_X86_64, 1);
	code_add(&w, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 1));
	code_return(&w, SECCOMP_RET_ERRNO | EPERM);
	code_load(&w, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < count; i++)
		permission_write(&w, &list[i]);
	code_return(&w, SECCOMP_RET_ERRNO | EPERM);
	return program_load(&w);
}

int seccomp_refuse(const struct refusal *list, size_t count)
{
	struct writer w = {0};

	code_load(&w, offsetof(struct seccomp_data, arch));
	code_unless(&w, BPF_JEQ, AUDIT_ARCH_I386, 1);
	size_t jump = w.used;
	code_add(&w, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
	code_unless(&w, BPF_JEQ, AUDIT_ARCH_X86_64, 1);
	code_add(&w, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 1));
	code_return(&w, SECCOMP_RET_ERRNO | ENOSYS);
	list_write(&w, list, count, false);
	w.code[jump].k = (uint32_t)(w.used - jump - 1);
	list_write(&w, list, count, true);
	return program_load(&w);
}

#else

int seccomp_permit(const struct permission *list, size_t count)
{
	(void)list;
	(void)count;
	return -EOPNOTSUPP;
}

int seccomp_refuse(const struct refusal *list, size_t count)
{
	(void)list;
	(void)count;
	return -EOPNOTSUPP;
}

#endif
