/* SPDX-License-Identifier: MIT */
#include "libvirt/calls.h"

#include "base/err.h"
#include "base/load.h"
#include "base/num.h"
#include "libvirt/uri.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define CONNECT_SECONDS 60 /* a daemon that starts on demand looks at each QEMU first */
#define ALIVE_SECONDS 5 /* between two questions whether the other side is alive */
#define ALIVE_COUNT 5 /* this many without an answer close the connection */

struct libvirt_calls vir;

/* The default prints each error on standard error. */
static void ignore_error(void *arg, virErrorPtr why)
{
}

int libvirt_calls_load(struct err *e)
{
#define LIBVIRT_CALL_SYMBOL(name) {#name, &vir.name},
	static const struct load_symbol symbols[] = {LIBVIRT_CALLS(LIBVIRT_CALL_SYMBOL)};

	int r = load_library("libvirt.so.0", "libvirt0", symbols, COUNT(symbols), e);
	if (r == 0)
		vir.virSetErrorFunc(NULL, ignore_error);
	return r;
}

const char *libvirt_calls_reason(void)
{
	virErrorPtr why = vir.virGetLastError();

	return why && why->message ? why->message : "libvirt does not say why";
}

int libvirt_calls_explain(const char *uri, struct err *e)
{
	virErrorPtr why = vir.virGetLastError();
	const int code = why ? why->code : 0;

	(void)err_say(e, -EIO, "connect to libvirt at '%s': %s", uri, libvirt_calls_reason());
	if (!libvirt_uri_is_local(uri) || !libvirt_uri_is_system(uri))
		return -EIO;
	if (code == VIR_ERR_AUTH_FAILED || code == VIR_ERR_AUTH_CANCELLED ||
		(code == VIR_ERR_SYSTEM_ERROR && why->int1 == EACCES))
		err_hint(e, "run as root, or as a member of the group libvirt");
	else if (code == VIR_ERR_SYSTEM_ERROR)
		err_hint(e, "systemctl start libvirtd; or virtqemud, where that is the daemon");
	return -EIO;
}

/* libvirt's library waits for ever for a daemon that accepts a connection and is stuck. */
__attribute__((noreturn)) static void on_alarm(int number)
{
	static const char text[] =
		"usher: libvirt does not answer\n"
		"hint: is its daemon stuck? systemctl status libvirtd virtqemud\n";

	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)n; /* a closed standard error has no reader either */
	_exit(1);
}

virConnectPtr libvirt_calls_connect(const char *uri, bool readonly)
{
	const struct sigaction alarmed = {.sa_handler = on_alarm};
	struct sigaction before;

	if (!libvirt_uri_is_local(uri))
		return vir.virConnectOpenAuth(uri, NULL, readonly ? VIR_CONNECT_RO : 0);
	(void)sigaction(SIGALRM, &alarmed, &before);
	(void)alarm(CONNECT_SECONDS);
	virConnectPtr c = vir.virConnectOpenAuth(uri, NULL, readonly ? VIR_CONNECT_RO : 0);
	(void)alarm(0);
	(void)sigaction(SIGALRM, &before, NULL);
	return c;
}

void libvirt_calls_watch(virConnectPtr c)
{
	(void)vir.virConnectSetKeepAlive(c, ALIVE_SECONDS, ALIVE_COUNT);
}
