/* SPDX-License-Identifier: MIT */
#include "cli/bus.h"

#include "base/err.h"
#include "base/load.h"
#include "base/num.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define AGAIN_NS 200000000
#define AGAIN_MAX 100

struct bus_calls bus_calls;

static int library_load(struct err *e)
{
	static const struct load_symbol symbols[] = {
		{"sd_bus_open_system", &bus_calls.open},
		{"sd_bus_flush_close_unref", &bus_calls.close},
		{"sd_bus_message_new_method_call", &bus_calls.message},
		{"sd_bus_message_unref", &bus_calls.unref},
		{"sd_bus_message_set_allow_interactive_authorization", &bus_calls.interactive},
		{"sd_bus_message_append", &bus_calls.append},
		{"sd_bus_message_open_container", &bus_calls.begin},
		{"sd_bus_message_close_container", &bus_calls.end},
		{"sd_bus_call", &bus_calls.call},
		{"sd_bus_message_read", &bus_calls.read},
		{"sd_bus_message_enter_container", &bus_calls.enter},
		{"sd_bus_message_exit_container", &bus_calls.leave},
		{"sd_bus_message_skip", &bus_calls.skip},
		{"sd_bus_message_read_array", &bus_calls.array},
		{"sd_bus_error_free", &bus_calls.error_free},
	};

	return bus_calls.open
		       ? 0
		       : load_library("libsystemd.so.0", "libsystemd0", symbols, COUNT(symbols), e);
}

int bus_open(struct bus **ret, struct err *e)
{
	int r = library_load(e);

	if (r < 0)
		return r;
	r = bus_calls.open(ret);
	return r < 0 ? err_say(e, -ENOTCONN, "the system's bus does not run: %s", strerror(-r)) : 0;
}

/* The bus could not start usherd: systemd does not run, or the unit is masked or gone. */
static bool start_has_failed(const char *name)
{
	static const char *const begins[] = {
		"org.freedesktop.DBus.Error.Spawn.", "org.freedesktop.systemd1."};

	for (size_t i = 0; i < COUNT(begins); i++)
		if (strncmp(name, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

/* The errors of usherd(8). */
static int code_of(const char *name)
{
	static const struct {
		const char *name;
		int code;
	} codes[] = {
		{BUS_USHERD ".Error.NotFound", -ENOENT},
		{BUS_USHERD ".Error.Refused", -EPERM},
		{BUS_USHERD ".Error.Busy", -EBUSY},
		{"org.freedesktop.DBus.Error.AccessDenied", -EACCES},
		{"org.freedesktop.DBus.Error.ServiceUnknown", -ENOTCONN},
		{"org.freedesktop.DBus.Error.NameHasNoOwner", -ENOTCONN},
		{"org.freedesktop.DBus.Error.NoReply", -EPIPE},
		{"org.freedesktop.DBus.Error.UnknownObject", -ENXIO},
	};

	for (size_t i = 0; name && i < COUNT(codes); i++)
		if (strcmp(codes[i].name, name) == 0)
			return codes[i].code;
	return name && start_has_failed(name) ? -ENOTCONN : -EIO;
}

int bus_explain(struct err *e, int code, const char *text)
{
	static const char mark[] = "\nhint: ", begin[] = "\nusher: ";
	const char *sentence = strstr(text, begin);

	if (sentence) {
		(void)fprintf(stderr, "%.*s\n", (int)(sentence - text), text);
		text = sentence + sizeof(begin) - 1;
	}
	const char *hint = strstr(text, mark);

	(void)err_say(e, code, "%.*s", (int)strcspn(text, "\n"), text);
	if (hint)
		err_hint(e, "%.*s", (int)strcspn(hint + sizeof(mark) - 1, "\n"),
			hint + sizeof(mark) - 1);
	return code;
}

int bus_call(struct bus *b, struct bus_message *m, uint64_t patience_us, struct bus_message **ret,
	struct err *e)
{
	struct bus_error error = {0};

	(void)bus_calls.interactive(m, 1);
	int r = bus_calls.call(b, m, patience_us, &error, ret);
	(void)bus_calls.unref(m);
	if (r < 0) {
		r = error.name ? code_of(error.name) : r;
		if (r == -ENOTCONN)
			(void)err_say(e, r, "usherd does not run");
		else if (r == -EPIPE)
			(void)err_say(e, r, "usherd has ended meanwhile");
		else
			(void)bus_explain(e, r, error.message ? error.message : strerror(-r));
	}
	bus_calls.error_free(&error);
	return r < 0 ? r : 0;
}

bool bus_ask_again(int r, unsigned *tries)
{
	const struct timespec pause = {.tv_nsec = AGAIN_NS};

	if ((r != -EPIPE && !(r == -ENOTCONN && *tries)) || *tries == AGAIN_MAX)
		return false;
	++*tries;
	(void)nanosleep(&pause, NULL);
	return true;
}

/* As sd_bus_path_encode(3) does it. */
void bus_path_of(const char *kind, const char *name, char *buf, size_t size)
{
	size_t used = (size_t)snprintf(buf, size, BUS_USHERD_PATH "/%s/", kind);

	for (size_t i = 0; name[i] && used + 4 < size; i++) {
		const bool plain =
			isalpha((unsigned char)name[i]) || (i && isdigit((unsigned char)name[i]));
		used += (size_t)snprintf(
			buf + used, size - used, plain ? "%c" : "_%02x", (unsigned char)name[i]);
	}
}
