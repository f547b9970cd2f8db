/* SPDX-License-Identifier: MIT */
#include "cli/record.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/output.h"
#include "cli/option.h"
#include "cli/verb.h"
#include "host/host.h"
#include "host/recorder.h"
#include "pci/device.h"
#include "pci/redact.h"
#include "revive/port.h"
#include "view/fact.h"
#include "view/topic.h"
#include "view/word.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/*
 * How it works. Invariant: a snapshot has everything that a read-only verb reads.
 *
 * The verbs themselves run on a host that records each answer (host/recorder.h), with their output
 * redirected to /dev/null. So no list of files has to be kept up to date: a new read of a verb is
 * in the next snapshot. Each form in the table below reads something that the others do not.
 */

/* Redirects the output of verbs to /dev/null, and back. */
struct hush {
	int out, err;
};

static int hush_begin(struct hush *s)
{
	(void)fflush(stdout);
	/*
	 * -1: the descriptor is closed, and stays so. Before open(), which would reuse its number.
	 */
	*s = (struct hush){
		fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)};
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null < 0)
		return -errno;
	int r = dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0 ? -errno : 0;
	if (null > STDERR_FILENO)
		(void)close(null);
	return r;
}

static void put_back(int *was, int fd)
{
	if (*was >= 0)
		(void)dup2(*was, fd);
	else
		(void)close(fd);
	clean_fd(was);
}

static void hush_end(struct hush *s)
{
	(void)fflush(stdout);
	clearerr(stdout);
	put_back(&s->out, STDOUT_FILENO);
	put_back(&s->err, STDERR_FILENO);
}

/* getopt_long(3) keeps its position in a global variable; 0 restarts it. */
static void run_verb(const struct verb *v, int argc, char **argv)
{
	int place = optind;

	optind = 0;
	(void)v->run(v, argc, argv);
	optind = place;
}

#define WORDS_MAX 6

/* The forms of the read-only verbs, each of which reads something that the others do not. */
static const struct {
	const struct verb *verb;
	const char *words[WORDS_MAX];
} forms[] = {
	{&verb_list, {"list", "-n", "--json"}},
	{&verb_list, {"list", "-n", "--tree", "--output", "+sriov,name,above"}},
	{&verb_check, {"check", "--json"}},
	{&verb_claims, {"claims", "--json"}},
};

static void run_forms(void)
{
	for (size_t i = 0; i < COUNT(forms); i++) {
		char *argv[WORDS_MAX + 1] = {0};
		int n = 0;

		for (; n < WORDS_MAX && forms[i].words[n]; n++)
			argv[n] = (char *)(uintptr_t)forms[i].words[n];
		run_verb(forms[i].verb, n, argv);
	}
}

static void read_topics(struct host *h)
{
	struct fact_source s;
	char *memory = NULL;

	/* For the size of a guest ('usher guide'). */
	(void)host_read_all(h, "/proc/meminfo", &memory);
	free(memory);

	if (fact_source_read(h, &s) == 0) {
		for (unsigned i = 0; topic_at(i); i++) {
			struct facts f = {0};

			topic_facts(topic_at(i), &s, &f);
		}
	}
	fact_source_fini(&s);
}

static void run_revive(struct pci_address a)
{
	char revive[] = "revive", plan[] = "--dry-run", address[PCI_ADDRESS_TEXT];
	char *argv[] = {revive, plan, address, NULL};

	pci_address_format(a, address);
	run_verb(&verb_revive, 3, argv);
}

/*
 * Devices that are gone: what a plan to get one back reads is about its bus, the port and its slot.
 * No device stands for the root of a bus, so its first one does.
 */
static void run_missing(struct host *h, const struct pci_device *d, bool is_first)
{
	uint8_t first = 0, last = 0;

	if (is_first && !d->has_parent)
		run_revive((struct pci_address){d->address.domain, d->address.bus, 0, 7});
	if (d->is_bridge && revive_port_buses(h, d->address, &first, &last) == 0 && first)
		run_revive((struct pci_address){d->address.domain, first, 0, 7});
}

static bool is_first_of_bus(const struct pci_device *list, size_t i)
{
	return !i || list[i].address.domain != list[i - 1].address.domain ||
	       list[i].address.bus != list[i - 1].address.bus;
}

/* What 'usher guide' reads besides; its checks are those of the verbs above. */
static void read_guide(struct host *h, struct pci_address a)
{
	char path[FILE_PATH_MAX], text[512];

	if (pci_device_path(a, "local_cpulist", path, sizeof(path)) == 0)
		(void)host_read_text(h, path, text, sizeof(text));
}

/* Runs verbs on each device separately, so that a failure affects one device only. */
static int run_devices(struct host *h, struct err *e)
{
	cleanup_free struct pci_device *list = NULL;
	size_t count = 0;

	int r = pci_device_list(h, &list, &count, e);
	if (r == -ENOENT) {
		*e = (struct err){0}; /* without PCI, the snapshot may show the reason */
		return 0;
	}
	for (size_t i = 0; r == 0 && i < count; i++) {
		char show[] = "show", numeric[] = "-n", address[PCI_ADDRESS_TEXT];
		char *shown[] = {show, numeric, address, NULL};
		char vfs[] = "vfs";
		char *made[] = {vfs, address, NULL};

		(void)pci_address_format(list[i].address, address);
		run_verb(&verb_show, 3, shown);
		run_verb(&verb_vfs, 2, made);
		read_guide(h, list[i].address);
		run_revive(list[i].address);
		run_missing(h, &list[i], is_first_of_bus(list, i));
	}
	return r;
}

/* Names of devices mean the same on a snapshot, also those that no verb above has looked for. */
static int read_name(void *arg, const char *name)
{
	struct word_devices *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	(void)word_find(arg, name, w, NULL);
	free(w);
	return 0;
}

static void read_names(struct host *h)
{
	static const char *const folders[] = {"/sys/class/net", "/sys/class/block",
		"/sys/class/nvme", "/sys/class/nvme-subsystem", "/sys/class/drm",
		"/sys/class/sound", "/sys/class/input", "/sys/class/infiniband"};

	for (size_t i = 0; i < COUNT(folders); i++)
		(void)h->ops->list(h, folders[i], read_name, h);
}

int record_host(struct host *h, struct manifest *ret, struct err *e)
{
	struct host *recorder = NULL;
	struct hush hush;

	int r = host_recorder_new(h, &recorder);
	if (r < 0)
		return err_set(e, r, "record the reads of this host");
	option_replace_host(recorder);
	r = hush_begin(&hush);
	if (r == 0) {
		run_forms();
		read_topics(recorder);
		r = run_devices(recorder, e);
	} else {
		(void)err_set(e, r, "record the reads of this host");
	}
	hush_end(&hush);
	option_replace_host(NULL);
	read_names(recorder);
	if (r == 0) {
		r = host_recorder_manifest(recorder, ret);
		r = r < 0 ? err_set(e, r, "record the reads of this host") : 0;
	}
	host_recorder_free(recorder);
	return r;
}

static int redact_manifest(struct manifest *m, enum record_secrecy secrecy, struct err *e)
{
	uint8_t key[REDACT_KEY];

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return err_set(e, -errno, "get random bytes");
	int r = manifest_redact(m, secrecy == RECORD_EXACT ? NULL : key);
	return r < 0 ? err_set(e, r, "redact the snapshot") : 0;
}

int record_text(
	struct host *h, enum record_secrecy secrecy, char **ret, size_t *ret_len, struct err *e)
{
	struct manifest m = {0};

	int r = record_host(h, &m, e);
	if (r < 0)
		return r;
	r = redact_manifest(&m, secrecy, e);
	if (r == 0) {
		ssize_t len = manifest_format(&m, ret);
		r = len < 0 ? err_set(e, (int)len, "write a snapshot") : 0;
		*ret_len = r < 0 ? 0 : (size_t)len;
	}
	manifest_fini(&m);
	return r;
}

int record_put(const char *file, const char *text, const char *remark, struct err *e)
{
	const char *rest = strchr(text, '\n') + 1; /* the first line identifies the format */
	cleanup_free char *all = NULL;

	int len = asprintf(&all, "%.*s%s%s", (int)(rest - text), text, remark, rest);
	if (len < 0) {
		all = NULL;
		return err_set(e, -ENOMEM, "write snapshot '%s'", file);
	}
	return output_write("snapshot", file, all, (size_t)len, 0644, e);
}

int record_write(struct host *h, enum record_secrecy secrecy, const char *file, struct err *e)
{
	cleanup_free char *text = NULL;
	size_t len = 0;

	int r = record_text(h, secrecy, &text, &len, e);
	if (r < 0)
		return r;
	if (strcmp(file, "-") == 0) {
		(void)fwrite(text, 1, len, stdout); /* report_finish() reports a failure */
		return 0;
	}
	return output_write("snapshot", file, text, len, secrecy == RECORD_EXACT ? 0600 : 0644, e);
}
