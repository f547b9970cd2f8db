/* SPDX-License-Identifier: MIT */
#include "cli/run_words.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "cli/extras.h"
#include "cli/limit.h"
#include "cli/option.h"
#include "cli/report.h"
#include "cli/saved.h"
#include "cli/verb.h"
#include "cli/virtio.h"
#include "engine/engine.h"
#include "engine/guestfile.h"

#include <errno.h>
#include <string.h>

enum {
	OPT_KERNEL = 1,
	OPT_KERNEL_FROM,
	OPT_INITRD,
	OPT_CMDLINE,
	OPT_MEMORY,
	OPT_CPUS,
	OPT_CPU_LIMIT,
	OPT_MEMORY_LIMIT,
	OPT_DISK,
	OPT_RNG,
	OPT_RINGS,
	OPT_VSOCK,
	OPT_BALLOON,
	OPT_NET,
	OPT_SHARE,
	OPT_CONSOLE,
	OPT_PORT,
	OPT_FIRMWARE,
	OPT_DISPLAY,
	OPT_TPM,
	OPT_USB,
	OPT_NO_DEFAULTS,
	OPT_NAME,
	OPT_ENGINE,
	OPT_RETURN,
	OPT_ON_SLEEP,
	OPT_NO_REBOOT,
	OPT_NO_SANDBOX,
	OPT_HUGEPAGES,
	OPT_PEERS,
	OPT_STATS,
	OPT_TRACE_BAR,
	OPT_TIMING,
	OPT_JSON,
	OPT_DETACH,
	OPT_DISPLAY_HANDOVER,
	OPT_PRINT_CONFIG,
	OPT_SAVE,
	OPT_AT_BOOT,
};

static int take_memory(struct run_words *w, const char *text)
{
	if (num_parse_size(text, &w->loan.spec.memory) < 0)
		return option_wrong(
			w->loan.verb, "--memory: '%s' is not a size such as 512M or 4G", text);
	w->loan.spec.has_memory = true;
	return 0;
}

static int take_cpus(struct run_words *w, const char *text)
{
	uint64_t n;

	if (num_parse(text, 10, SPEC_CPUS_MAX, &n) < 0 || n < 1)
		return option_wrong(w->loan.verb,
			"--cpus: '%s' is not a number from 1 to %d (more need x2APIC)", text,
			SPEC_CPUS_MAX);
	w->loan.spec.cpus = (unsigned)n;
	w->loan.spec.has_cpus = true;
	return 0;
}

static int take_return(struct run_words *w, const char *text)
{
	static const struct {
		const char *name;
		enum bind_return how;
	} ways[] = {
		{"driver", BIND_RETURN_DRIVER},
		{"vfio", BIND_RETURN_VFIO},
		{"none", BIND_RETURN_NONE},
	};

	for (size_t i = 0; i < COUNT(ways); i++) {
		if (strcmp(text, ways[i].name) == 0) {
			w->how = ways[i].how;
			return 0;
		}
	}
	return option_wrong(w->loan.verb, "--return: '%s' is none of driver, vfio, none", text);
}

static int take_on_sleep(struct run_words *w, const char *text)
{
	w->loan.spec.sleep_release = strcmp(text, "release") == 0;
	if (w->loan.spec.sleep_release || strcmp(text, "refuse") == 0)
		return 0;
	return option_wrong(w->loan.verb, "--on-sleep: '%s' is neither refuse nor release", text);
}

static int take_at_boot(struct run_words *w, const char *text)
{
	if (!w->is_saved)
		return option_wrong(w->loan.verb, "--at-boot is for 'usher start'");
	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		return option_wrong(w->loan.verb, "--at-boot: '%s' is neither yes nor no", text);
	w->at_boot = text;
	return 0;
}

/* What happens to the guest when the host starts or sleeps. */
static int take_host_event(struct run_words *w, int c, const char *text)
{
	return c == OPT_AT_BOOT ? take_at_boot(w, text) : take_on_sleep(w, text);
}

static int take_engine(struct run_words *w, const char *text)
{
	w->engine = engine_find(text);
	if (!w->engine)
		return option_wrong(
			w->loan.verb, "--engine: '%s' is none of usher, qemu, libvirt", text);
	return 0;
}

/* Resolved when all devices are known. */
static int take_trace(struct run_words *w, const char *text)
{
	if (w->trace_count == RUN_TRACE_MAX)
		return option_wrong(w->loan.verb, "--trace-bar: more than %d BARs", RUN_TRACE_MAX);
	w->trace[w->trace_count++] = text;
	return 0;
}

/* Options without an argument. Return: whether @c is one. */
static bool take_flag(struct run_words *w, int c)
{
	struct guest_spec *s = &w->loan.spec;
	bool *const flags[] = {
		[OPT_PEERS] = &s->peers,
		[OPT_HUGEPAGES] = &s->hugepages,
		[OPT_NO_DEFAULTS] = &s->no_defaults,
		[OPT_TPM] = &s->tpm,
		[OPT_BALLOON] = &s->balloon,
		[OPT_NO_REBOOT] = &s->no_reboot,
		[OPT_NO_SANDBOX] = &s->no_sandbox,
		[OPT_TIMING] = &s->timing,
		[OPT_JSON] = &w->json,
		[OPT_DETACH] = &w->detach,
		[OPT_PRINT_CONFIG] = &w->print_config,
	};

	if (c < 0 || (size_t)c >= COUNT(flags) || !flags[c])
		return false;
	*flags[c] = true;
	return true;
}

static bool take_text(struct run_words *w, int c, const char *text)
{
	struct guest_spec *s = &w->loan.spec;
	const char **const texts[] = {
		[OPT_KERNEL] = &s->kernel,
		[OPT_KERNEL_FROM] = &s->kernel_from,
		[OPT_INITRD] = &s->initrd,
		[OPT_CMDLINE] = &s->cmdline,
		[OPT_NAME] = &s->name,
		[OPT_SAVE] = &w->save,
	};

	if (c < 0 || (size_t)c >= COUNT(texts) || !texts[c])
		return false;
	*texts[c] = text;
	return true;
}

static int take_virtio(struct run_words *w, int c, const char *text)
{
	if (c == OPT_DISK)
		return virtio_take_disk(&w->loan.spec, w->loan.verb, text);
	if (c == OPT_NET)
		return virtio_take_net(&w->loan.spec, w->loan.verb, text);
	if (c == OPT_SHARE)
		return virtio_take_share(&w->loan.spec, text);
	if (c == OPT_CONSOLE)
		return virtio_take_console(&w->loan.spec, w->loan.verb, text);
	if (c == OPT_VSOCK)
		return virtio_take_vsock(&w->loan.spec, text);
	if (c == OPT_RINGS)
		return virtio_take_rings(&w->loan.spec, w->loan.verb, text);
	return c == OPT_PORT ? virtio_take_port(&w->loan.spec, text)
			     : virtio_take_rng(&w->loan.spec, w->loan.verb, text);
}

static int take_extra(struct run_words *w, int c, const char *text)
{
	if (c == OPT_FIRMWARE)
		return extras_take_firmware(&w->loan.spec, w->loan.verb, text);
	if (c == OPT_DISPLAY)
		return extras_take_display(&w->loan.spec, w->loan.verb, text);
	return extras_take_usb(&w->loan.spec, text);
}

/* Return: 0, or an exit status with the reason told. */
static int take_option(struct run_words *w, int c, const char *text)
{
	switch (c) {
	case OPT_MEMORY:
		return take_memory(w, text);
	case OPT_CPUS:
		return take_cpus(w, text);
	case OPT_CPU_LIMIT:
		return limit_take_cpu(&w->loan.spec, text);
	case OPT_MEMORY_LIMIT:
		return limit_take_memory(&w->loan.spec, text);
	case OPT_DISK:
	case OPT_RNG:
	case OPT_RINGS:
	case OPT_VSOCK:
	case OPT_NET:
	case OPT_SHARE:
	case OPT_CONSOLE:
	case OPT_PORT:
		return take_virtio(w, c, text);
	case OPT_FIRMWARE:
	case OPT_DISPLAY:
	case OPT_USB:
		return take_extra(w, c, text);
	case OPT_ENGINE:
		return take_engine(w, text);
	case OPT_RETURN:
		return take_return(w, text);
	case OPT_STATS:
		w->loan.spec.stats = !text;
		w->loan.spec.stats_file = text;
		return 0;
	case OPT_TRACE_BAR:
		return take_trace(w, text);
	case OPT_DISPLAY_HANDOVER:
		return handover_take(&w->handover, w->loan.verb, text);
	case OPT_AT_BOOT:
	case OPT_ON_SLEEP:
		return take_host_event(w, c, text);
	default:
		return take_flag(w, c) || take_text(w, c, text) ? 0
								: loan_option(&w->loan, c, text);
	}
}

static const struct option *run_options(void)
{
	static const struct option takes[] = {
		{"kernel", required_argument, NULL, OPT_KERNEL},
		{"kernel-from", required_argument, NULL, OPT_KERNEL_FROM},
		{"initrd", required_argument, NULL, OPT_INITRD},
		{"cmdline", required_argument, NULL, OPT_CMDLINE},
		{"memory", required_argument, NULL, OPT_MEMORY},
		{"cpus", required_argument, NULL, OPT_CPUS},
		{"cpu-limit", required_argument, NULL, OPT_CPU_LIMIT},
		{"memory-limit", required_argument, NULL, OPT_MEMORY_LIMIT},
		{"disk", required_argument, NULL, OPT_DISK},
		{"net", required_argument, NULL, OPT_NET},
		{"share", required_argument, NULL, OPT_SHARE},
		{"rng", required_argument, NULL, OPT_RNG},
		{"rings", required_argument, NULL, OPT_RINGS},
		{"balloon", no_argument, NULL, OPT_BALLOON},
		{"vsock", optional_argument, NULL, OPT_VSOCK},
		{"console", required_argument, NULL, OPT_CONSOLE},
		{"port", required_argument, NULL, OPT_PORT},
		{"firmware", required_argument, NULL, OPT_FIRMWARE},
		{"display", required_argument, NULL, OPT_DISPLAY},
		{"display-handover", optional_argument, NULL, OPT_DISPLAY_HANDOVER},
		{"tpm", no_argument, NULL, OPT_TPM},
		{"usb", required_argument, NULL, OPT_USB},
		{"no-defaults", no_argument, NULL, OPT_NO_DEFAULTS},
		{"name", required_argument, NULL, OPT_NAME},
		{"engine", required_argument, NULL, OPT_ENGINE},
		{"return", required_argument, NULL, OPT_RETURN},
		{"on-sleep", required_argument, NULL, OPT_ON_SLEEP},
		{"hugepages", no_argument, NULL, OPT_HUGEPAGES},
		{"peers", no_argument, NULL, OPT_PEERS},
		{"no-reboot", no_argument, NULL, OPT_NO_REBOOT},
		{"no-sandbox", no_argument, NULL, OPT_NO_SANDBOX},
		{"stats", optional_argument, NULL, OPT_STATS},
		{"trace-bar", required_argument, NULL, OPT_TRACE_BAR},
		{"timing", no_argument, NULL, OPT_TIMING},
		{"json", no_argument, NULL, OPT_JSON},
		{"detach", no_argument, NULL, OPT_DETACH},
		{"print-config", no_argument, NULL, OPT_PRINT_CONFIG},
		{"save", required_argument, NULL, OPT_SAVE},
		{"at-boot", required_argument, NULL, OPT_AT_BOOT},
		LOAN_OPTIONS,
		{0},
	};

	return takes;
}

/* For words_apply(). */
static int word_take(void *arg, int value, const char *text)
{
	return take_option(arg, value, text);
}

/* The options, and one operand among them; QEMU's own words come after "--". */
static int words_collect(struct run_words *w, struct options *o, int *ret_end)
{
	struct err e = {0};
	int c;

	for (;;) {
		while ((c = option_next(o)) > 0)
			if (words_add(&w->words, c, optarg, &e) < 0)
				return option_wrong(w->loan.verb, "%s", e.msg);
		*ret_end = c;
		if (c != OPTION_END)
			return option_leave(c);
		if (optind >= o->argc || strcmp(o->argv[optind - 1], "--") == 0)
			return 0;
		if (w->operand)
			return option_wrong(w->loan.verb,
				"'%s' is no option; QEMU's own words come after '--'",
				o->argv[optind]);
		w->operand = o->argv[optind++];
	}
}

int run_words_collect(struct run_words *w, int argc, char **argv, int *ret_end)
{
	struct options o = {.verb = w->loan.verb,
		.argc = argc,
		.argv = argv,
		.takes = run_options(),
		.letters = "+"};

	*ret_end = OPTION_END;
	w->words = WORDS_OF(w->loan.verb, run_options());
	return words_collect(w, &o, ret_end);
}

static int words_fail(const struct err *e)
{
	report(e);
	return e->code == -ENOMEM ? LOAN_OURS : LEAVE_USAGE;
}

/* A file that is not there may be a name. */
static void name_explain(const char *name, struct err *e)
{
	char saved[FILE_PATH_MAX];

	if (saved_find(name, saved, sizeof(saved), NULL) == 0)
		err_hint(e, "'%s' is a saved guest: usher start %s", name, name);
	else
		err_hint(e,
			"FILE is a guest file, usher-guest(5); QEMU's own words come after '--'");
}

int run_words_take(struct run_words *w, const char *path, char *const *arguments)
{
	struct err e = {0};

	int r = path ? words_read(&w->words, path, &e) : 0;
	if (r == -ENOENT && !w->is_saved)
		name_explain(path, &e);
	if (r == 0)
		r = words_add_arguments(&w->words, arguments, &e);
	if (r < 0)
		return words_fail(&e);
	r = words_apply(&w->words, word_take, w);
	if (r == 0)
		w->loan.spec.engine_args = words_arguments(&w->words, w->engine == &engine_qemu);
	return r;
}

/* After a copy from one name to another, both would have the same name and MAC addresses. */
int run_words_check_name(const struct run_words *w, const char *name)
{
	unsigned line = words_line(&w->words, "name");
	struct err e = {0};

	if (!line || strcmp(w->loan.spec.name, name) == 0)
		return 0;
	(void)err_say(&e, -EINVAL, "name: '%.48s', but the guest is saved as '%s'",
		w->loan.spec.name, name);
	(void)guestfile_blame(&e, -EINVAL, w->words.file, line, 0);
	err_hint(&e, "a saved guest has the name of its file");
	report(&e);
	return LEAVE_USAGE;
}

int run_words_check(
	const struct verb *v, const char *path, const char *name, const char *text, size_t len)
{
	struct run_words w = {.loan.verb = v, .words = WORDS_OF(v, run_options())};
	struct err e = {0};

	int r = words_parse(&w.words, path, text, len, &e);
	r = r < 0 ? words_fail(&e) : words_apply(&w.words, word_take, &w);
	if (r == 0)
		r = run_words_check_name(&w, name);
	words_free(&w.words);
	return r;
}
