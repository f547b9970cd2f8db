/* SPDX-License-Identifier: MIT */
#include "vmm/stats/timing.h"

#include "base/clean.h"
#include "base/log.h"
#include "base/num.h"
#include "vmm/cpu.h"
#include "vmm/pass/device.h"
#include "vmm/pass/domain.h"
#include "vmm/vm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/*
 * Time inside ioctl(2) before the guest runs: the kernel spends it for KVM and VFIO, not this
 * program. usher-vmm is linked with --wrap=ioctl, so each ioctl() calls __wrap_ioctl().
 */
static struct {
	bool on;
	uint64_t ns;
} ioctls;

int __wrap_ioctl(int fd, unsigned long request, void *arg);
int __real_ioctl(int fd, unsigned long request, void *arg);

int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	if (!ioctls.on)
		return __real_ioctl(fd, request, arg);
	uint64_t before = now_ns();
	int r = __real_ioctl(fd, request, arg);
	int saved = errno;
	ioctls.ns += now_ns() - before;
	errno = saved;
	return r;
}

void timing_start(struct timing *t)
{
	uint64_t now = now_ns();

	*t = (struct timing){.start_ns = now, .last_ns = now};
	ioctls.on = true;
}

void timing_mark(struct timing *t, const char *name)
{
	uint64_t now = now_ns();

	if (t->count < TIMING_PHASES_MAX)
		t->phases[t->count++] = (struct timing_phase){name, now - t->last_ns, ioctls.ns};
	t->last_ns = now;
}

/* The ioctls of the phases that had begun before @ns: no finer clock has run. */
static uint64_t ioctls_before(const struct timing *t, uint64_t ns)
{
	uint64_t begin = t->start_ns, sum = 0;

	for (size_t i = 0; i < t->count && begin < ns; i++) {
		begin += t->phases[i].ns;
		sum = t->phases[i].ioctl_ns;
	}
	return sum;
}

void timing_wait_over(struct timing *t, uint64_t ready_ns)
{
	timing_mark(t, "wait");
	t->ready_ns = max_u64(t->start_ns, min_u64(ready_ns, t->last_ns));
	t->parallel_ns = ioctls_before(t, t->ready_ns);
}

void timing_enter(struct timing *t)
{
	ioctls.on = false;
	t->ioctl_ns = ioctls.ns;
	t->own_ns = now_ns() - t->ready_ns - (ioctls.ns - t->parallel_ns);
}

static void print_ms(FILE *out, const char *name, uint64_t ns)
{
	(void)fprintf(out, "timing: %s_ms %.3f\n", name, (double)ns / 1e6);
}

/* One word for a name, so that scripts can split a line at blanks: 'BAR 0' becomes BAR_0. */
static void print_count(FILE *out, const char *kind, const char *name, uint64_t count)
{
	if (!count)
		return;
	(void)fprintf(out, "timing: %s.", kind);
	for (const char *c = name; *c; c++)
		(void)fputc(*c == ' ' ? '_' : *c, out);
	(void)fprintf(out, " %" PRIu64 "\n", count);
}

/* Ranges of emulated devices. */
static void print_bus(FILE *out, const struct bus *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (!func_is_piece(b->ranges[i]))
			print_count(out, b->name, b->ranges[i]->name,
				b->ranges[i]->reads + b->ranges[i]->writes);
	print_count(out, b->name, "nobody", b->missed);
}

/* Exits by BAR of each passed-through device, which another one has by the same name. */
static void print_device(FILE *out, const struct pass_dev *d)
{
	for (unsigned i = 0; i < FUNC_BARS; i++) {
		const struct func_bar *b = &d->bars.bar[i];
		uint64_t exits = 0;

		for (unsigned k = 0; k < b->piece_count; k++)
			exits += b->pieces[k].range.reads + b->pieces[k].range.writes;
		if (b->piece_count)
			print_count(out, d->name, b->pieces[0].range.name, exits);
	}
}

void timing_print(const struct vm *vm)
{
	cleanup_free char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	const struct timing *t = &vm->timing;
	uint64_t total = 0;

	if (!out)
		return;
	for (size_t i = 0; i < t->count; i++)
		print_ms(out, t->phases[i].name, t->phases[i].ns);
	print_ms(out, "ioctl", t->ioctl_ns);
	print_ms(out, "own", t->own_ns);
	print_ms(out, "total", now_ns() - t->start_ns);
	for (unsigned reason = 0; reason < CPU_EXITS; reason++) {
		print_count(out, "exits", cpu_exit_name(reason), cpus_exits(vm, reason));
		total += cpus_exits(vm, reason);
	}
	(void)fprintf(out, "timing: exits %" PRIu64 "\n", total);
	(void)fprintf(out, "timing: coalesced %" PRIu64 "\n", vm->coalesce.taken);
	print_bus(out, &vm->ports);
	print_bus(out, &vm->mmio);
	for (const struct pass_dev *d = vm->pass ? vm->pass->devices : NULL; d; d = d->next)
		print_device(out, d);
	if (fclose(out) == 0)
		log_text(text, len);
}
