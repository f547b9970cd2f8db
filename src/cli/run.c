/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/bind.h"
#include "cli/abilities.h"
#include "cli/at_boot.h"
#include "cli/boot.h"
#include "cli/detach.h"
#include "cli/ending.h"
#include "cli/extras.h"
#include "cli/fitting.h"
#include "cli/handover.h"
#include "cli/lend.h"
#include "cli/limit.h"
#include "cli/loan.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/run_words.h"
#include "cli/saved.h"
#include "cli/trace.h"
#include "cli/verb.h"
#include "cli/virtio.h"
#include "cli/walls.h"
#include "engine/defaults.h"
#include "engine/files.h"
#include "engine/fit.h"
#include "engine/keeper.h"
#include "engine/uplink.h"
#include "view/json.h"
#include "view/plan.h"
#include "view/release.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_timing(const struct run_words *w, const char *step, int64_t us)
{
	if (w->loan.spec.timing)
		(void)fprintf(stderr, "timing: keeper.%s_ms %.3f\n", step, (double)us / 1000);
}

/* A caller's own words for QEMU say where its console is. */
static bool has_console(const struct run_words *w)
{
	const struct engine *e = w->engine;

	return ability_of(e, ABILITY_CONSOLE).depth == ABILITY_YES &&
	       !(e->bare && e->bare(&w->loan.spec));
}

/* At a terminal every key goes to the guest, so a person needs to know the way out. */
static const char *escape_advice(const struct run_words *w)
{
	return has_console(w) && isatty(STDIN_FILENO) ? "; Ctrl-A x stops it, Ctrl-A a sends Ctrl-A"
						      : "";
}

/* struct keeper.tell. A guest's devices are reset by the kernel, as they close. */
static void print_news(void *arg, const struct keeper_news *n)
{
	const struct run_words *w = arg;

	loan_print(&w->loan, n);
	if (n->event == KEEPER_PLANNED)
		print_timing(w, "take", n->us);
	if (n->event == KEEPER_STARTED && !w->loan.quiet)
		report_note("guest '%s' runs: %s, process %d%s", w->loan.spec.name, w->engine->name,
			(int)n->pid, escape_advice(w));
	if (n->event == KEEPER_STARTED)
		print_timing(w, "start", n->us);
	if (n->event == KEEPER_STOPPING)
		report_note("guest '%s' is being stopped (%s)", w->loan.spec.name,
			strsignal(n->status));
	if (n->event == KEEPER_ENDED)
		ending_print(&w->loan.spec, w->loan.quiet, n);
	if (n->event == KEEPER_GIVEN)
		print_timing(w, "give", n->us);
}

static void print_guest(const struct run_words *w)
{
	const struct guest_spec *s = &w->loan.spec;

	(void)printf("guest '%s' by %s: %" PRIu64 " MiB, %u cpu%s\n", s->name, w->engine->name,
		(s->memory / MIB(1)), s->cpus, s->cpus == 1 ? "" : "s");
	boot_print(s);
	extras_print(s);
	limit_print(s);
	fitting_print_handed(s);
	virtio_print(s, w->engine == &engine_ours);
}

static int print_json(const struct run_words *w, const struct bind_plan *p,
	const struct desktop_plan *desktop, const struct fit_layout *layout, struct err *e)
{
	const struct guest_spec *s = &w->loan.spec;
	struct json *doc;

	int r = json_new("run", &doc, e);
	if (r < 0)
		return r;
	struct json *guest = json_put_map(doc, "guest");
	json_put_text(guest, "name", s->name);
	json_put_text(guest, "engine", w->engine->name);
	json_put_number(guest, "memory", s->memory);
	json_put_number(guest, "cpus", s->cpus);
	boot_put(guest, s);
	extras_put(guest, s);
	limit_put(guest, s);
	virtio_put(guest, s);
	fitting_put_handed(guest, s);
	plan_json(doc, p);
	handover_put(doc, desktop);
	fitting_put_layout(doc, layout);
	walls_put(doc, w->engine == &engine_ours ? w->loan.host : NULL, s);
	fitting_put_checked(doc, fit_names(w->engine));
	abilities_put(doc, w->engine);
	backend_put(doc, w->engine, w->loan.host, s);
	json_put_flag(doc, "possible", p->refusals == 0);
	r = json_print(doc, e);
	json_free(doc);
	return r;
}

static int show_plan(const struct run_words *w, const struct keeper *k)
{
	struct bind_target targets[SPEC_DEVICES_MAX];
	struct bind_plan plan = BIND_PLAN_NONE;
	struct desktop_plan desktop = {0};
	struct bind_request q;
	struct fit_layout layout;
	struct err e = {0};

	int r = keeper_request(k, targets, &q, &e);
	if (r == 0)
		r = w->handover.is_asked ? handover_plan(k, &w->handover, &q, &desktop, &plan, &e)
					 : keeper_plan(k, &q, &plan, &e);
	if (r < 0) {
		report(&e);
		return LOAN_OURS;
	}
	bool laid_out = fit_lay_out(k->env.host, k->engine, k->spec, &q, &layout) == 0;
	if (w->json) {
		r = print_json(w, &plan, &desktop, laid_out ? &layout : NULL, &e);
		if (r < 0)
			report(&e);
	} else {
		print_guest(w);
		plan_text(stdout, &plan);
		handover_print(stdout, &desktop);
		if (laid_out)
			fitting_print_layout(&layout);
		if (w->engine == &engine_ours)
			walls_print(k->env.host, k->spec);
		fitting_print_checked(fit_names(w->engine));
		abilities_print(w->engine);
		backend_print(w->engine, k->env.host, k->spec);
		report_problems(&plan);
	}
	int status = r < 0 ? LOAN_OURS : plan.refusals ? LEAVE_REFUSED : LEAVE_OK;
	bind_plan_fini(&plan);
	return status;
}

/* Where to look for it from now on. */
static void print_detached(const struct run_words *w)
{
	const char *name = w->loan.spec.name, *run_dir = loan_run_dir(&w->loan);

	if (has_console(w))
		report_note("it runs in the background: 'usher console %s' shows its console, "
			    "'usher stop %s' stops it; its end will be in %s/log/%s",
			name, name, run_dir, name);
	else
		report_note("it runs in the background: 'usher stop %s' stops it; its end will be "
			    "in %s/log/%s",
			name, run_dir, name);
}

static int keep_guest(const struct keeper *k)
{
	struct keeper_end end;

	return loan_leave(keeper_run(k, &end), &end);
}

static int run_guest(const struct keeper *k)
{
	const struct run_words *w = k->arg;

	return w->loan.borrows ? lend_run(k, w->loan.quiet, keep_guest) : keep_guest(k);
}

/* For detach_run(). */
static int hand_display_over(const struct keeper *k)
{
	const struct run_words *w = k->arg;

	return handover_run(k, &w->handover, run_guest);
}

static int check_spec(struct run_words *w, struct err *e)
{
	w->loan.spec.no_defaults |= w->engine->bare && w->engine->bare(&w->loan.spec);
	int r = ability_check(w->engine, &w->loan.spec, e);
	if (r < 0)
		return r;
	r = defaults_add(&w->loan.spec, uplink_missing(w->loan.host, &w->loan.spec), e);
	if (r < 0)
		return r;
	r = spec_check(&w->loan.spec, e);
	if (r < 0)
		return r;
	r = w->engine->check(&w->loan.spec, e);
	if (r < 0)
		return r;
	return w->loan.plan ? files_check_output(&w->loan.spec, e)
			    : files_open_output(&w->loan.spec, &w->files, e);
}

static int check_words(struct run_words *w)
{
	struct err e = {0};

	if (w->json && !w->loan.plan)
		return option_wrong(w->loan.verb,
			"--json needs --plan: a run prints no document, only the guest's console");
	int r = loan_open(&w->loan);
	for (size_t i = 0; r == 0 && i < w->trace_count; i++)
		r = trace_add(&w->loan, w->trace[i]);
	if (r)
		return r;
	r = check_spec(w, &e);
	if (r == 0 && !w->loan.plan && !w->loan.quiet)
		boot_tell(&w->loan.spec);
	if (r == 0)
		return 0;
	report(&e);
	return r == -EINVAL ? LEAVE_USAGE : LOAN_OURS;
}

/* --print-config and --save. Return: exit status. */
static int write_config(const struct run_words *w)
{
	struct err e = {0};

	if (w->print_config && w->save)
		return option_wrong(w->loan.verb, "--print-config or --save: not both");
	if (w->save && w->loan.plan)
		return option_wrong(
			w->loan.verb, "--plan or --save: not both, for a plan changes nothing");
	int r = w->save ? saved_write(w->save, &w->words, &e) : words_print(&w->words, &e);
	if (r < 0) {
		report(&e);
		return r == -EINVAL ? LEAVE_USAGE : LOAN_OURS;
	}
	if (w->save && !w->loan.quiet)
		report_note("guest '%s' is saved in %s/%s: 'usher start %s' runs it", w->save,
			saved_folder(), w->save, w->save);
	return LEAVE_OK;
}

static int run_keeper(struct run_words *w)
{
	w->loan.borrows = !w->loan.plan && lend_is_needed(&w->loan.spec, w->engine);
	if (w->loan.borrows && w->loan.allow_count)
		return option_wrong(
			w->loan.verb, "--allow is for root: usherd lends after all checks");
	struct keeper k = loan_keeper(&w->loan);

	k.engine = w->engine;
	k.how = w->how;
	k.tell = print_news;
	k.arg = w;
	if (w->loan.plan)
		return show_plan(w, &k);
	int r = 0;
	if (w->handover.is_asked)
		r = handover_check(&k, &w->handover, w->loan.quiet);
	if (r)
		return r;
	if (w->handover.is_asked)
		r = detach_run(&k, hand_display_over);
	else
		r = w->detach ? detach_run(&k, run_guest) : run_guest(&k);
	if (r == 0 && (w->detach || w->handover.is_asked) && !w->loan.quiet)
		print_detached(w);
	return r;
}

/* What only shows when all options are known, with the line of the guest file. */
static int check_located(struct run_words *w)
{
	struct err e = {0};

	struct err *outer = report_catch(&e);
	int r = check_words(w);
	(void)report_catch(outer);
	if (r)
		words_report(&w->words, &e);
	return r;
}

static int mark_at_boot(const struct run_words *w)
{
	struct err e = {0};

	if (at_boot_mark(w->operand, strcmp(w->at_boot, "yes") == 0, &e) == 0)
		return 0;
	report(&e);
	return LOAN_OURS;
}

static int run_words(struct run_words *w, const char *path, char *const *arguments)
{
	int r = run_words_take(w, path, arguments);
	if (r == 0 && w->is_saved)
		r = run_words_check_name(w, w->operand);
	if (r)
		return r;
	if (w->print_config || w->save)
		return write_config(w);
	if (w->at_boot)
		return mark_at_boot(w);
	r = check_located(w);
	return r ? r : run_keeper(w);
}

static int run_operand(struct run_words *w, char *const *arguments)
{
	char path[FILE_PATH_MAX];
	struct err e = {0};

	if (!w->is_saved)
		return run_words(w, w->operand, arguments);
	if (!w->operand)
		return option_wrong(w->loan.verb, "no NAME of a saved guest given");
	w->loan.spec.name = w->operand;
	if (saved_find(w->operand, path, sizeof(path), &e) == 0)
		return run_words(w, path, arguments);
	report(&e);
	return LEAVE_USAGE;
}

int run_verb(const struct verb *v, int argc, char **argv, bool is_saved)
{
	struct run_words w = {
		.loan = {.verb = v,
			.spec = {.name = SPEC_DEFAULT_NAME,
				.memory = SPEC_DEFAULT_MEMORY,
				.cpus = 1}},
		.files = FILES_NONE,
		.engine = &engine_ours,
		.is_saved = is_saved,
		.detach = is_saved,
		.handover = HANDOVER_WORDS,
	};
	int end;

	w.loan.spec.files = &w.files;
	int r = run_words_collect(&w, argc, argv, &end);
	if (r == 0 && end == OPTION_END)
		r = run_operand(&w, argv + optind);
	loan_close(&w.loan);
	words_free(&w.words);
	return r;
}

static int run_main(const struct verb *v, int argc, char **argv)
{
	return run_verb(v, argc, argv, false);
}

const struct verb verb_run = {
	.name = "run",
	.summary = "run a guest with devices, and give them back when it ends",
	.help = "run [--device DEVICE[,KEY=VALUE]…]… --kernel FILE [OPTION…]\n"
		"       usher run --disk FILE [--kernel-from FILE] [OPTION…]\n"
		"       usher run --engine=qemu [--device …]… -- QEMU-ARGUMENTS…\n"
		"       usher run FILE [OPTION…]\n"
		"\n"
		"Checks and takes the IOMMU groups of the devices, runs the guest, waits for its\n"
		"end (power-off, crash, panic, kill), and gives the devices back. Standard input\n"
		"and output are the guest's console. On a terminal, Ctrl-A x stops a guest of\n"
		"usher-vmm, and Ctrl-A a sends Ctrl-A. FILE is a guest file (usher-guest(5)), in\n"
		"which the options stand; those beside it add to it, or override it.\n"
		"\n"
		"      --device DEVICE    lend this device; may be repeated. id=VVVV:DDDD refuses\n"
		"                         another device there. rom=FILE replaces its ROM,\n"
		"                         rom=off hides it. Functions of one device share a slot.\n"
		"                         fd=N,container=N: you have opened it, or its group\n"
		"      --kernel FILE      bzImage (unpacked once, cached) or ELF vmlinux\n"
		"      --kernel-from FILE\n"
		"                         take kernel, initial ramdisk and command line out of\n"
		"                         the /boot of this raw image or block device (default:\n"
		"                         the first --disk, without --kernel)\n"
		"      --initrd FILE      initial ramdisk\n"
		"      --cmdline TEXT     command line of the kernel (default: console=ttyS0, or\n"
		"                         hvc0 for --console virtio); with --kernel-from, more\n"
		"                         words for it\n"
		"      --memory SIZE      memory of the guest (default: 512M)\n"
		"      --hugepages        take the memory from the host's pool of huge pages\n"
		"      --cpus N           processors of the guest (default: 1)\n"
		"      --cpu-limit N%     the most processor time that its process takes: 150% is\n"
		"                         one processor and a half\n"
		"      --memory-limit SIZE|none\n"
		"                         the most host memory that its process takes; default:\n"
		"                         the guest's, a 32nd of it and 256M, where usher's own\n"
		"                         cgroup permits a limit\n"
		"      --disk FILE[,…]    a virtio disk: an image or a block device; may be\n"
		"                         repeated. ro: read-only; format=raw|qcow2|vmdk|vhdx|\n"
		"                         vdi: what FILE is (default: raw, and an image that\n"
		"                         looks otherwise is refused); backing=FILE: its backing\n"
		"                         file, if that does not lie beside it; serial=TEXT;\n"
		"                         direct=on|off: by-pass the page cache (default: if\n"
		"                         FILE can); queues=N: request queues, at best one for\n"
		"                         each processor of the guest (default: 1); poll=on:\n"
		"                         answer sooner, but requests keep a host processor busy\n"
		"      --share DIR[,…]    a folder of the host, which the guest mounts: mount -t\n"
		"                         virtiofs TAG /mnt; may be repeated. tag=TAG (default:\n"
		"                         the last word of DIR's path); ro: read-only\n"
		"      --net NET          a virtio network card; may be repeated. tap=NAME: at\n"
		"                         this tap of the host; user: at a user-mode network\n"
		"                         (passt); vhost-user,path=SOCKET: at a program that\n"
		"                         serves cards there, such as a switch; none: no card\n"
		"                         (default: user, if passt is installed, the host has a\n"
		"                         default route, and no network card is lent). Keys after\n"
		"                         a comma: mac=MAC; mtu=N; for a tap queues=N, vhost=off,\n"
		"                         offload=off; for user forward=tcp:2222:22, from port\n"
		"                         2222 of the host to 22 of the guest; host-loopback=yes,\n"
		"                         by which the guest reaches the host's loopback at its\n"
		"                         gateway's address\n"
		"      --rng on|off       a virtio entropy device, which the guest's kernel draws\n"
		"                         random numbers from (default: on)\n"
		"      --balloon          give the host memory back that the guest does not use,\n"
		"                         and what 'usher control NAME balloon' asks for\n"
		"      --vsock[=CID]      sockets between programs of the guest and of the host;\n"
		"                         CID is the guest's address (default: one that follows\n"
		"                         from its name). Instead of it, or after a comma: socket\n"
		"                         or socket=PATH, by unix sockets instead of the kernel\n"
		"      --rings FORM       the form of the rings of usher-vmm's virtio devices:\n"
		"                         split or packed, where the guest's driver can (default:\n"
		"                         split)\n"
		"      --console KIND     what standard input and output are: serial; virtio,\n"
		"                         which is hvc0, and until its driver is there the\n"
		"                         serial port; none (default: serial)\n"
		"      --port NAME[,…]    a port of a virtio console; may be repeated. At the\n"
		"                         host's end: socket[=PATH], pty[=PATH], stdio, or\n"
		"                         file=PATH[,limit=SIZE]; else 'usher console' shows it\n"
		"      --firmware KIND    boot by firmware, with --engine=qemu or libvirt:\n"
		"                         bios, uefi, or uefi-secure for Secure Boot; the guest\n"
		"                         keeps its variables (default: none, but a kernel)\n"
		"      --display KIND     a screen, with --engine=qemu or libvirt: vnc or spice,\n"
		"                         at a socket (default: none)\n"
		"      --display-handover[=HOW]\n"
		"                         lend the only graphics card: stop the desktop, run in\n"
		"                         the background, and start the desktop again when the\n"
		"                         guest ends, or does not drive the card in time. HOW:\n"
		"                         unit=UNIT, which is stopped, too, and may be repeated;\n"
		"                         timeout=SECONDS (default: 60)\n"
		"      --tpm              a TPM 2.0, with --engine=qemu or libvirt; the guest\n"
		"                         keeps it\n"
		"      --usb VENDOR:PRODUCT|BUS-PORT\n"
		"                         lend this USB device, with --engine=qemu or\n"
		"                         libvirt; may be repeated\n"
		"      --no-defaults      only what is asked for: no rng, no network, no\n"
		"                         kernel of a disk\n"
		"      --name NAME        name of the guest (default: guest)\n"
		"      --engine NAME      usher, which is usher-vmm, qemu or libvirt (default:\n"
		"                         usher); the environment variable QEMU_SYSTEM names\n"
		"                         QEMU's program\n"
		"      --env NAME[=VALUE]\n"
		"                         pass this variable to QEMU, too; may be repeated\n"
		"      --allow CHECK      skip one check: its name is in brackets after a\n"
		"                         refusal, and 'usher check --list' lists all; may be\n"
		"                         repeated\n"
		"      --return WHERE     where devices go at the end: driver, their first one,\n"
		"                         vfio or none (default: driver)\n"
		"      --on-sleep WHAT    when the host is to sleep: refuse, where usherd runs;\n"
		"                         release: stop the guest first (default: refuse)\n"
		"      --peers            let the guest's devices reach each other's BARs, if the\n"
		"                         host can\n"
		"      --detach           run it in the background: return when it has started.\n"
		"                         See 'usher console', 'usher ps' and 'usher stop'\n"
		"      --print-config     print these options as a guest file; do nothing\n"
		"      --save NAME        save these options as the guest NAME, for 'usher\n"
		"                         start'; do nothing else\n"
		"      --no-reboot        end when the guest reboots (default: boot it again,\n"
		"                         with its devices reset)\n"
		"      --no-sandbox       leave usher-vmm your rights, files and network, for a\n"
		"                         debugger, or QEMU, for files that only you may read; a\n"
		"                         guest that takes it over has them, too\n"
		"      --plan, --dry-run  print what the run would do and what prevents it; do\n"
		"                         nothing\n"
		"  -j, --json             print the plan as a JSON document (with --plan)\n"
		"      --host FILE        plan on a snapshot of a host (with --plan)\n"
		"      --stats[=FILE]     at the end, print exits by reason and device,\n"
		"                         interrupts by vector and mapped memory; with FILE,\n"
		"                         write JSON to it\n"
		"      --trace-bar DEVICE:N\n"
		"                         print each access to BAR N of that device, with the\n"
		"                         register's name (NVMe, e1000e, edu); slow; may be\n"
		"                         repeated\n"
		"      --timing           at the end, print the phases of the start and the exits\n"
		"      --quiet            print errors only\n"
		"\n"
		"Exit status: 0 the guest powered off; 1 it crashed; 2 wrong command line; 3\n"
		"refused; 125 usher itself failed; 128 + N it was stopped by signal N.\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher run --kernel /boot/vmlinuz --initrd /boot/initrd.img --device nvme0n1\n",
	.run = run_main,
	.failed = LOAN_OURS,
};
