/* SPDX-License-Identifier: MIT */
/* usher-vmm: one guest. Started by `usher run`, which keeps it; opens no path but those told. */
#include "base/err.h"
#include "base/log.h"
#include "base/num.h"
#include "vmm/cpu.h"
#include "vmm/machine.h"
#include "vmm/stats/stats.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define EXIT_OURS 125
#define EXIT_CRASHED 1
#define EXIT_USAGE 2

static const char usage[] =
	"usage: usher-vmm --memory SIZE --kernel FILE [OPTION]…\n"
	"Runs one guest on KVM; 'usher run' starts it.\n"
	"\n"
	"  --name NAME        for messages\n"
	"  --memory SIZE      bytes, or with K, M, G\n"
	"  --backing KIND     of memory: private (with 2 MiB pages where the host has them),\n"
	"                     shared (a file in memory) or pool (hugetlbfs); private when not given\n"
	"  --cpus N           1 when not given\n"
	"  --kernel FILE      ELF kernel (vmlinux) with a PVH entry\n"
	"  --initrd FILE\n"
	"  --cmdline TEXT     of the kernel\n"
	"  --kvm FD           an open /dev/kvm\n"
	"  --container FD     VFIO container of all --device\n"
	"  --device address=ADDRESS,device=FD,group=FD,number=N[,trace=BAR]…[,rom=FD|off]\n"
	"                     number: of the group, as in /dev/vfio/N\n"
	"  --peers            devices may reach each other's BARs\n"
	"  --keeper FD        pidfd: when that process ends, the guest does\n"
	"  --no-reboot        a reboot is the guest's end\n"
	"  --stats            tell at the end of exits, interrupts and mapped memory\n"
	"  --stats-json FD    the same as JSON, into FD\n"
	"  --interrupts FD    /proc/interrupts, from which they are counted\n"
	"  --timing           tell at the end where the time went\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 the guest powered off or rebooted, or was stopped; 1 it crashed;\n"
	"2 usage; 125 usher-vmm failed.\n";

struct options {
	struct machine_spec spec;
	int container;
	int timing;
	int stats;
	int peers;
	int stats_fd; /* -1: no JSON */
};

static int fail(const char *subject, const struct err *e, int status)
{
	log_error(subject, "%s", e->msg);
	if (e->hint[0])
		log_error(subject, "hint: %s", e->hint);
	return status;
}

/* @what: what it is to be, for the message. */
static int parse_int(
	const char *option, const char *text, const char *what, int *ret, struct err *e)
{
	uint64_t n;

	if (!text || num_parse(text, 10, INT_MAX, &n) < 0)
		return err_say(e, -EINVAL, "%s: '%s' is no %s", option, text ? text : "", what);
	*ret = (int)n;
	return 0;
}

static int parse_fd(const char *option, const char *text, int *ret, struct err *e)
{
	return parse_int(option, text, "descriptor", ret, e);
}

enum device_key {
	DEVICE_ADDRESS,
	DEVICE_DEVICE,
	DEVICE_GROUP,
	DEVICE_NUMBER,
	DEVICE_TRACE,
	DEVICE_ROM
};

static int parse_rom(const char *text, struct pass_spec *d, struct err *e)
{
	if (text && strcmp(text, "off") == 0) {
		d->rom = PASS_ROM_OFF;
		return 0;
	}
	d->rom = PASS_ROM_FILE;
	return parse_fd("--device: rom", text, &d->rom_fd, e);
}

static int parse_bar(const char *text, unsigned *ret, struct err *e)
{
	uint64_t n;

	if (!text || num_parse(text, 10, 5, &n) < 0)
		return err_say(e, -EINVAL, "--device: trace: '%s' is no BAR from 0 to 5",
			text ? text : "");
	*ret |= 1U << n;
	return 0;
}

static int parse_device(struct options *o, char *text, struct err *e)
{
	char address[] = "address", device[] = "device", group[] = "group", number[] = "number",
	     trace[] = "trace", rom[] = "rom";
	char *const keys[] = {[DEVICE_ADDRESS] = address,
		[DEVICE_DEVICE] = device,
		[DEVICE_GROUP] = group,
		[DEVICE_NUMBER] = number,
		[DEVICE_TRACE] = trace,
		[DEVICE_ROM] = rom,
		NULL};
	struct pass_spec d = {
		.container = -1, .group = -1, .number = -1, .device = -1, .rom_fd = -1};
	char *value;
	int r = 0;

	if (o->spec.device_count == MACHINE_DEVICES_MAX)
		return err_say(e, -EINVAL, "--device: more than %d", MACHINE_DEVICES_MAX);
	while (*text && r >= 0) {
		int key = getsubopt(&text, keys, &value);
		if (key == DEVICE_ADDRESS)
			d.name = value;
		else if (key == DEVICE_DEVICE)
			r = parse_fd("--device: device", value, &d.device, e);
		else if (key == DEVICE_GROUP)
			r = parse_fd("--device: group", value, &d.group, e);
		else if (key == DEVICE_NUMBER)
			r = parse_int("--device: number", value, "number of a group", &d.number, e);
		else if (key == DEVICE_TRACE)
			r = parse_bar(value, &d.trace, e);
		else if (key == DEVICE_ROM)
			r = parse_rom(value, &d, e);
		else
			r = err_say(e, -EINVAL, "--device: '%s' is no key of it", value);
	}
	if (r >= 0 && (!d.name || d.device < 0 || d.group < 0 || d.number < 0))
		r = err_say(e, -EINVAL, "--device: wants address=, device=, group= and number=");
	if (r >= 0)
		o->spec.devices[o->spec.device_count++] = d;
	return r;
}

static int parse_backing(struct options *o, const char *text, struct err *e)
{
	static const char *const words[] = {
		[MEMORY_PRIVATE] = "private", [MEMORY_SHARED] = "shared", [MEMORY_POOL] = "pool"};

	for (size_t i = 0; i < COUNT(words); i++) {
		if (!strcmp(text, words[i])) {
			o->spec.backing = (enum memory_backing)i;
			return 0;
		}
	}
	return err_say(e, -EINVAL, "--backing: '%s' is none of private, shared, pool", text);
}

static int parse_cpus(struct options *o, const char *text, struct err *e)
{
	uint64_t n;

	if (num_parse(text, 10, CPUS_MAX, &n) < 0 || !n)
		return err_say(
			e, -EINVAL, "--cpus: '%s' is no number from 1 to %d", text, CPUS_MAX);
	o->spec.cpus = (unsigned)n;
	return 0;
}

enum option_id {
	OPTION_NAME = 256,
	OPTION_MEMORY,
	OPTION_BACKING,
	OPTION_CPUS,
	OPTION_KERNEL,
	OPTION_INITRD,
	OPTION_CMDLINE,
	OPTION_KVM,
	OPTION_CONTAINER,
	OPTION_DEVICE,
	OPTION_KEEPER,
	OPTION_TIMING,
	OPTION_NO_REBOOT,
	OPTION_PEERS,
	OPTION_STATS,
	OPTION_STATS_JSON,
	OPTION_INTERRUPTS,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{"name", required_argument, NULL, OPTION_NAME},
	{"memory", required_argument, NULL, OPTION_MEMORY},
	{"backing", required_argument, NULL, OPTION_BACKING},
	{"cpus", required_argument, NULL, OPTION_CPUS},
	{"kernel", required_argument, NULL, OPTION_KERNEL},
	{"initrd", required_argument, NULL, OPTION_INITRD},
	{"cmdline", required_argument, NULL, OPTION_CMDLINE},
	{"kvm", required_argument, NULL, OPTION_KVM},
	{"container", required_argument, NULL, OPTION_CONTAINER},
	{"device", required_argument, NULL, OPTION_DEVICE},
	{"keeper", required_argument, NULL, OPTION_KEEPER},
	{"timing", no_argument, NULL, OPTION_TIMING},
	{"no-reboot", no_argument, NULL, OPTION_NO_REBOOT},
	{"peers", no_argument, NULL, OPTION_PEERS},
	{"stats", no_argument, NULL, OPTION_STATS},
	{"stats-json", required_argument, NULL, OPTION_STATS_JSON},
	{"interrupts", required_argument, NULL, OPTION_INTERRUPTS},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{0},
};

static int parse_option(struct options *o, int option, char *text, struct err *e)
{
	switch (option) {
	case OPTION_NAME:
		o->spec.name = text;
		return 0;
	case OPTION_MEMORY:
		if (num_parse_size(text, &o->spec.memory) < 0)
			return err_say(e, -EINVAL, "--memory: '%s' is no size", text);
		return 0;
	case OPTION_BACKING:
		return parse_backing(o, text, e);
	case OPTION_CPUS:
		return parse_cpus(o, text, e);
	case OPTION_KERNEL:
		o->spec.kernel = text;
		return 0;
	case OPTION_INITRD:
		o->spec.initrd = text;
		return 0;
	case OPTION_CMDLINE:
		o->spec.cmdline = text;
		return 0;
	case OPTION_KVM:
		return parse_fd("--kvm", text, &o->spec.kvm_fd, e);
	case OPTION_CONTAINER:
		return parse_fd("--container", text, &o->container, e);
	case OPTION_DEVICE:
		return parse_device(o, text, e);
	case OPTION_KEEPER:
		return parse_fd("--keeper", text, &o->spec.keeper_fd, e);
	case OPTION_TIMING:
		o->timing = 1;
		return 0;
	case OPTION_NO_REBOOT:
		o->spec.no_reboot = true;
		return 0;
	case OPTION_PEERS:
		o->peers = 1;
		return 0;
	case OPTION_STATS:
		o->stats = 1;
		return 0;
	case OPTION_STATS_JSON:
		return parse_fd("--stats-json", text, &o->stats_fd, e);
	case OPTION_INTERRUPTS:
		return parse_fd("--interrupts", text, &o->spec.interrupts_fd, e);
	default:
		return -EINVAL; /* getopt_long has told why */
	}
}

static int finish_options(struct options *o, struct err *e)
{
	struct machine_spec *spec = &o->spec;

	if (!spec->kernel)
		return err_say(e, -EINVAL, "--kernel is missing");
	if (!spec->memory)
		return err_say(e, -EINVAL, "--memory is missing, or nothing");
	if (spec->device_count && o->container < 0)
		return err_say(e, -EINVAL, "--container is missing: --device needs it");
	for (size_t i = 0; i < spec->device_count; i++) {
		spec->devices[i].container = o->container;
		spec->devices[i].peers = o->peers;
	}
	return 0;
}

/* Return: 0, 1 when all was said (help, version), -EINVAL. */
static int parse(struct options *o, int argc, char **argv, struct err *e)
{
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == OPTION_HELP) {
			(void)fputs(usage, stdout);
			return 1;
		}
		if (option == OPTION_VERSION) {
			(void)puts("usher-vmm " USHER_VERSION);
			return 1;
		}
		int r = parse_option(o, option, optarg, e);
		if (r < 0)
			return r;
	}
	if (optind < argc)
		return err_say(e, -EINVAL, "'%s': no argument is expected here", argv[optind]);
	return finish_options(o, e);
}

/* The guest's end in words and as an exit status. */
static int tell_end(const struct vm *vm)
{
	switch (vm_ended(vm)) {
	case VM_POWEROFF:
	case VM_REBOOT:
	case VM_STOPPED:
		log_info(vm->name, "guest %s", vm->why);
		return 0;
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

static void tell_figures(struct machine *m, const struct options *o)
{
	struct err e = {0};

	stats_take(m);
	if (o->timing)
		timing_print(&m->vm);
	if (o->stats)
		stats_print(m);
	if (o->stats_fd >= 0 && stats_write_json(m, o->stats_fd, &e) < 0)
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

int main(int argc, char **argv)
{
	static struct machine m; /* large, and there is one */
	struct options o = {
		.spec = {.name = "guest",
			.cmdline = "",
			.cpus = 1,
			.kvm_fd = -1,
			.keeper_fd = -1,
			.interrupts_fd = -1},
		.container = -1,
		.stats_fd = -1,
	};
	struct err e = {0};

	timing_start(&m.vm.timing);
	int r = parse(&o, argc, argv, &e);
	if (r > 0)
		return 0;
	if (r < 0) {
		if (e.msg[0])
			log_error("usher-vmm", "%s", e.msg);
		log_error("usher-vmm", "see 'usher-vmm --help'");
		return EXIT_USAGE;
	}
	raise_files();
	r = machine_init(&m, &machine_reduced, &o.spec, &e);
	if (r >= 0)
		r = machine_run(&m, &e);
	int status = r < 0 ? fail(o.spec.name, &e, EXIT_OURS) : tell_end(&m.vm);
	tell_figures(&m, &o);
	machine_fini(&m);
	return status;
}
