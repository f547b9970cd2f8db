/* SPDX-License-Identifier: MIT */
/*
 * The program behind /etc/libvirt/hooks/qemu.d/usher: libvirt-hook DOMAIN OPERATION SUBOPERATION
 * EXTRA, with the domain's XML on standard input. libvirt shows standard error when `prepare`
 * fails, and reads standard output of some operations as another XML: it stays empty.
 */
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "cli/change.h"
#include "cli/report.h"
#include "cli/verb.h"
#include "host/host.h"
#include "libvirt/allow.h"
#include "libvirt/domain.h"
#include "libvirt/hook.h"
#include "libvirt/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The whole of standard input, or its first LIBVIRT_XML_MAX bytes and one more. */
static int read_xml(char **ret, size_t *ret_len, struct err *e)
{
	char rest[4096];
	size_t len = 0;
	ssize_t n;

	cleanup_free char *text = malloc(LIBVIRT_XML_MAX + 1);
	if (!text)
		return err_set(e, -ENOMEM, "read the domain's XML");
	do {
		bool full = len == LIBVIRT_XML_MAX + 1;
		n = full ? read(STDIN_FILENO, rest, sizeof(rest))
			 : read(STDIN_FILENO, text + len, LIBVIRT_XML_MAX + 1 - len);
		if (n > 0 && !full)
			len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return err_set(e, -errno, "read the domain's XML");
	*ret = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}

static int hook_prepare(const struct libvirt_hook *k)
{
	struct bind_plan plan = BIND_PLAN_NONE;
	struct err e = {0};
	char *xml = NULL;
	unsigned wrong = 0;
	size_t len = 0;

	int r = read_xml(&xml, &len, &e);
	if (r == 0)
		r = libvirt_hook_prepare(k, xml, len, &plan, &wrong, &e);
	bool refused = r < 0 && plan.refusals;
	if (wrong) /* libvirt shows it if the domain does not start */
		report_note("warning: " LIBVIRT_ALLOW_FILE ": line %u is not DEVICE CHECK DOMAIN",
			wrong);
	if (refused)
		report_problems(&plan);
	bind_plan_fini(&plan);
	free(xml);
	return report_outcome(r, refused, &e);
}

static int hook_follow(const struct libvirt_hook *k)
{
	struct err e = {0};

	if (libvirt_hook_follow(k, &e) < 0)
		report(&e);
	/* libvirt would end the domain, which runs. */
	return LEAVE_OK;
}

static void report_returned(const struct bind_report *done, const struct err *failure)
{
	char address[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < done->returned_count; i++)
		if (done->returned[i].left)
			report_note("%s: %s",
				pci_address_format(done->returned[i].address, address),
				done->returned[i].text);
	if (failure)
		report(failure);
}

static int hook_release(const struct libvirt_hook *k)
{
	struct err e = {0};

	int r = libvirt_hook_release(k, report_returned, &e);
	return r == 0 ? LEAVE_OK : r == -EPERM ? LEAVE_REFUSED : LEAVE_FAILED;
}

static int hook_run(const struct libvirt_hook *k, const char *operation)
{
	static const struct {
		const char *name;
		int (*run)(const struct libvirt_hook *k);
	} operations[] = {
		{"prepare", hook_prepare},
		{"started", hook_follow},
		{"reconnect", hook_follow},
		{"release", hook_release},
	};

	for (size_t i = 0; i < COUNT(operations); i++)
		if (strcmp(operation, operations[i].name) == 0)
			return operations[i].run(k);
	return LEAVE_OK; /* an operation that does not change which devices the domain has */
}

int main(int argc, char **argv)
{
	struct bind_env env = bind_env_live();
	struct err e = {0};

	fd_fill_standard();
	report_lines();
	if (argc < 3) {
		(void)err_say(
			&e, -EINVAL, "libvirt calls this program with a domain and an operation");
		err_hint(&e, "man usher-libvirt");
		report(&e);
		return LEAVE_USAGE;
	}
	const struct libvirt_hook k = {
		&env, LIBVIRT_RUN_DIR, getppid(), argv[1], LIBVIRT_ALLOW_FILE};
	change_begin();
	int leave = hook_run(&k, argv[2]);
	host_close(env.host);
	return report_finish(leave, 0);
}
