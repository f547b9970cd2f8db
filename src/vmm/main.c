/* SPDX-License-Identifier: MIT */
/*
 * usher-vmm: one guest on KVM. The keeper, which owns the lent devices, starts this program with a
 * socket and describes the guest there (vmm/description). All files and devices come with that as
 * descriptors: this program opens no path of the host.
 */
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "vmm/description.h"
#include "vmm/machine.h"
#include "vmm/stats/stats.h"
#include "vmm/wall.h"
#include "vmm/walls/filter.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define PROGRAM "usher-vmm"
#define EXIT_OURS 125
#define EXIT_CRASHED 1
#define EXIT_USAGE 2
#define MAPPED_ALONE (64 << 10) /* [bytes] */

/* The heap, which no processor uses. */
WALL_CALL(main | worker | outbox | disk, brk);
WALL_CALL(main | worker | outbox | disk, mmap);
WALL_CALL(main | worker | outbox | disk, munmap);
WALL_CALL(main | worker | outbox | disk, mremap);
WALL_CALL(main, exit_group);

static const char usage[] =
	"usage: usher-vmm --keeper FD\n"
	"Runs one guest on KVM. 'usher run' starts it, and describes the guest in messages\n"
	"on FD, a socket of type SOCK_SEQPACKET. The guest ends when the other end is closed.\n"
	"\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 the guest powered off or rebooted; 1 it crashed; 128 + N signal N\n"
	"stopped it; 2 usage; 125 usher-vmm failed.\n";

static int report_failure(const char *subject, const struct err *e, int status)
{
	log_error(subject, "%s", e->msg);
	if (e->hint[0])
		log_error(subject, "hint: %s", e->hint);
	return status;
}

static int report_usage(const struct err *e)
{
	(void)report_failure(PROGRAM, e, EXIT_USAGE);
	log_error(PROGRAM, "see '" PROGRAM " --help'");
	return EXIT_USAGE;
}

/* The command line has one option. Return: the descriptor, -EINVAL. */
static int parse_words(int argc, char **argv, struct err *e)
{
	uint64_t fd;

	if (argc < 2 || strcmp(argv[1], "--keeper") != 0)
		return err_say(e, -EINVAL, "--keeper is missing: 'usher run' starts this program");
	if (argc < 3 || num_parse(argv[2], 10, INT_MAX, &fd) < 0)
		return err_say(
			e, -EINVAL, "--keeper: '%s' is not a descriptor", argc < 3 ? "" : argv[2]);
	if (argc > 3)
		return err_say(e, -EINVAL, "'%s': unexpected argument", argv[3]);
	return (int)fd;
}

/* The guest's end in words and as an exit status. */
static int report_end(const struct vm *vm)
{
	switch (vm_ended(vm)) {
	case VM_POWEROFF:
	case VM_REBOOT:
		log_info(vm->name, "guest %s", vm->why);
		return 0;
	case VM_STOPPED:
		log_info(vm->name, "guest %s", vm->why);
		return 128 + vm->interrupted;
	case VM_CRASHED:
		log_error(vm->name, "guest crashed: %s", vm->why);
		return EXIT_CRASHED;
	case VM_RUNNING:
	case VM_FAILED:
	default:
		log_error(vm->name, "%s", vm->why);
		return EXIT_OURS;
	}
}

static void print_figures(struct machine *m, const struct description *d)
{
	struct err e = {0};

	stats_take(m);
	if (d->timing)
		timing_print(&m->vm);
	if (d->stats)
		stats_print(m);
	if (d->stats_fd >= 0 && stats_write_json(m, d->stats_fd, &e) < 0)
		log_warn(m->vm.name, "%s", e.msg);
}

/* A descriptor for each interrupt vector: as many as this user may have. */
static void raise_files(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

/* All that comes from the guest comes later. */
static void raise_wall(struct description *d)
{
	if (d->message.flags & WIRE_NO_SANDBOX) {
		log_warn(d->message.name,
			PROGRAM " is not confined (--no-sandbox): a guest that takes it over has "
				"its rights, the host's files, processes and network, and all "
				"system calls");
		return;
	}
	bool takes_devices = d->message.lent_count || d->message.slots;
	const struct wall w = {
		.uid = d->message.uid,
		.is_empty = true,
		.own_pids = d->message.flags & WIRE_OWN_PIDS,
		.keeper_fd = d->spec.keeper_fd,
		.filters = wall_filters,
		.refused_fd = d->refused_fd,
		.locked = takes_devices ? d->message.memory : 0,
	};
	struct err e = {0};

	if (wall_raise(&w, &e) < 0)
		log_warn(d->message.name, PROGRAM " is less confined than it should be: %s", e.msg);
	fd_close(&d->refused_fd); /* the page stays mapped */
}

/* The kernel resets devices as they are opened: what needs none of them is built meanwhile. */
static int machine_build(struct machine *m, struct description *d, struct err *e)
{
	uint64_t ready_ns;

	int r = machine_init(m, &machine_reduced, &d->spec, e);
	if (r < 0)
		return r;
	r = description_receive_devices(d, &ready_ns, e);
	if (r < 0)
		return r;
	timing_wait_over(&m->vm.timing, ready_ns);
	return machine_equip(m, e);
}

int main(int argc, char **argv)
{
	static struct machine m; /* large, and there is one */
	static struct description d;
	struct err e = {0};

	timing_start(&m.vm.timing);
	/* Threads share one heap: it takes less memory, and grows by fewer system calls. */
	(void)mallopt(M_ARENA_MAX, 1);
	/* From the heap calloc() clears each page; a network card may never use most of its own. */
	(void)mallopt(M_MMAP_THRESHOLD, MAPPED_ALONE);
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		(void)fputs(usage, stdout);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts(PROGRAM " " USHER_VERSION);
		return 0;
	}
	int keeper = parse_words(argc, argv, &e);
	if (keeper < 0)
		return report_usage(&e);
	raise_files();
	timing_mark(&m.vm.timing, "load");
	int r = description_receive(keeper, &d, &e);
	if (r < 0)
		return report_failure(PROGRAM, &e, EXIT_OURS);
	timing_mark(&m.vm.timing, "description");
	for (size_t i = 0; i < d.spec.virtio_count; i++)
		virtio_prepare(&d.spec.virtio[i]);
	if (d.spec.backing == MEMORY_SHARED)
		ram_prepare(d.spec.memory);
	raise_wall(&d);
	timing_mark(&m.vm.timing, "walls");
	r = machine_build(&m, &d, &e);
	if (r >= 0)
		r = machine_run(&m, &e);
	int status = r < 0 ? report_failure(d.spec.name, &e, EXIT_OURS) : report_end(&m.vm);
	print_figures(&m, &d);
	machine_fini(&m);
	return status;
}
