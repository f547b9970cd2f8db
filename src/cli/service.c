/* SPDX-License-Identifier: MIT */
#include "cli/service.h"

#include "base/err.h"
#include "base/load.h"
#include "base/num.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAME "org.usher.Usher1"
#define PATH "/org/usher/Usher1"
#define MANAGER NAME ".Manager"
#define BUS_SOCKET "/run/dbus/system_bus_socket"
#define PATIENCE_US (600 * UINT64_C(1000000)) /* for a person at polkit's question, and a bind */
#define FOR_EVER_US UINT64_MAX /* a job ends by itself, and the bus tells when usherd ends */
#define RUN_LIMIT_S UINT64_C(86400)
/* usherd may be killed and started again at any moment: what may be asked twice is asked again. */
#define AGAIN_NS 200000000
#define AGAIN_MAX 100

/* As sd_bus_error(3) has it. */
struct bus_error {
	const char *name, *message;
	int need_free;
};

struct bus;
struct bus_message;

static struct {
	int (*open)(struct bus **ret);
	struct bus *(*close)(struct bus *b);
	int (*message)(struct bus *b, struct bus_message **ret, const char *to, const char *path,
		const char *interface, const char *member);
	struct bus_message *(*unref)(struct bus_message *m);
	int (*interactive)(struct bus_message *m, int yes);
	int (*append)(struct bus_message *m, const char *types, ...);
	int (*begin)(struct bus_message *m, char type, const char *contents);
	int (*end)(struct bus_message *m);
	int (*call)(struct bus *b, struct bus_message *m, uint64_t us, struct bus_error *e,
		struct bus_message **ret);
	int (*read)(struct bus_message *m, const char *types, ...);
	int (*enter)(struct bus_message *m, char type, const char *contents);
	int (*leave)(struct bus_message *m);
	int (*skip)(struct bus_message *m, const char *types);
	int (*array)(struct bus_message *m, char type, const void **ret, size_t *ret_size);
	void (*error_free)(struct bus_error *e);
} sd;

static int library_load(struct err *e)
{
	static const struct load_symbol symbols[] = {
		{"sd_bus_open_system", &sd.open},
		{"sd_bus_flush_close_unref", &sd.close},
		{"sd_bus_message_new_method_call", &sd.message},
		{"sd_bus_message_unref", &sd.unref},
		{"sd_bus_message_set_allow_interactive_authorization", &sd.interactive},
		{"sd_bus_message_append", &sd.append},
		{"sd_bus_message_open_container", &sd.begin},
		{"sd_bus_message_close_container", &sd.end},
		{"sd_bus_call", &sd.call},
		{"sd_bus_message_read", &sd.read},
		{"sd_bus_message_enter_container", &sd.enter},
		{"sd_bus_message_exit_container", &sd.leave},
		{"sd_bus_message_skip", &sd.skip},
		{"sd_bus_message_read_array", &sd.array},
		{"sd_bus_error_free", &sd.error_free},
	};

	return sd.open ? 0
		       : load_library("libsystemd.so.0", "libsystemd0", symbols, COUNT(symbols), e);
}

static int bus_open(struct bus **ret, struct err *e)
{
	int r = library_load(e);

	if (r < 0)
		return r;
	r = sd.open(ret);
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
		{NAME ".Error.NotFound", -ENOENT},
		{NAME ".Error.Refused", -EPERM},
		{NAME ".Error.Busy", -EBUSY},
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

/*
 * A sentence, and perhaps "\nhint: …", as the command has printed them that usherd has run; before
 * them what it had done until then, which is passed on.
 */
static int explain_text(struct err *e, int code, const char *text)
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

/*
 * Sends @m, which is taken over. Return: 0 with *@ret; -EPIPE usherd has ended meanwhile; -ENOTCONN
 * it does not run; -errno.
 */
static int message_call(struct bus *b, struct bus_message *m, uint64_t patience_us,
	struct bus_message **ret, struct err *e)
{
	struct bus_error error = {0};

	(void)sd.interactive(m, 1);
	int r = sd.call(b, m, patience_us, &error, ret);
	(void)sd.unref(m);
	if (r < 0) {
		r = error.name ? code_of(error.name) : r;
		if (r == -ENOTCONN)
			(void)err_say(e, r, "usherd does not run");
		else if (r == -EPIPE)
			(void)err_say(e, r, "usherd has ended meanwhile");
		else
			(void)explain_text(e, r, error.message ? error.message : strerror(-r));
	}
	sd.error_free(&error);
	return r < 0 ? r : 0;
}

static int options_append(struct bus_message *m, const struct service_lease *l)
{
	int r = sd.begin(m, 'a', "{sv}");

	if (r >= 0 && l->key)
		r = sd.append(m, "{sv}", "key", "s", l->key);
	if (r >= 0 && l->for_s)
		r = sd.append(m, "{sv}", "for", "t", l->for_s);
	return r < 0 ? r : sd.end(m);
}

static int lease_append(struct bus_message *m, const struct service_lease *l)
{
	char address[PCI_ADDRESS_TEXT];

	int r = sd.begin(m, 'a', "s");
	for (size_t i = 0; r >= 0 && i < l->device_count; i++)
		r = sd.append(m, "s", pci_address_format(l->devices[i], address));
	if (r >= 0)
		r = sd.end(m);
	return r < 0 ? r : options_append(m, l);
}

/* The message owns its descriptors, and is gone soon. */
static int fd_keep(int fd)
{
	int kept = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return kept < 0 ? -errno : kept;
}

static int devices_read(struct bus_message *m, struct borrowed *ret)
{
	const char *address;
	int fd = -1, r = sd.enter(m, 'v', "a{sh}");

	if (r >= 0)
		r = sd.enter(m, 'a', "{sh}");
	while (r >= 0 && (r = sd.read(m, "{sh}", &address, &fd)) > 0) {
		if (ret->count == CONTROL_GIVEN_MAX ||
			pci_address_parse(address, &ret->addresses[ret->count]) < 0)
			return -EPROTO;
		ret->devices[ret->count] = fd_keep(fd);
		r = ret->devices[ret->count] < 0 ? ret->devices[ret->count] : 0;
		ret->count += r >= 0;
	}
	if (r >= 0)
		r = sd.leave(m);
	return r < 0 ? r : sd.leave(m);
}

static int messages_read(struct bus_message *m, bool quiet)
{
	const char *text;

	int r = sd.read(m, "v", "s", &text);
	if (r >= 0 && !quiet)
		(void)fputs(text, stderr);
	return r;
}

static int entry_read(struct bus_message *m, bool quiet, char *ret_name, struct borrowed *ret)
{
	const char *key, *name;
	int fd = -1, r = sd.read(m, "s", &key);

	if (r < 0)
		return r;
	if (strcmp(key, "name") == 0) {
		r = sd.read(m, "v", "s", &name);
		(void)snprintf(ret_name, SERVICE_NAME_MAX, "%s", r < 0 ? "" : name);
		return r;
	}
	if (strcmp(key, "messages") == 0)
		return messages_read(m, quiet);
	if (strcmp(key, "container") == 0) {
		r = sd.read(m, "v", "h", &fd);
		ret->container = r < 0 ? -1 : fd_keep(fd);
		return r;
	}
	/* A later usherd may say more. */
	return strcmp(key, "devices") == 0 ? devices_read(m, ret) : sd.skip(m, "v");
}

static int answer_read(struct bus_message *m, bool quiet, char *ret_name, struct borrowed *ret)
{
	int r = sd.skip(m, "o");

	if (r >= 0)
		r = sd.enter(m, 'a', "{sv}");
	while (r >= 0 && (r = sd.enter(m, 'e', "sv")) > 0) {
		r = entry_read(m, quiet, ret_name, ret);
		if (r >= 0)
			r = sd.leave(m);
	}
	if (r < 0)
		return r;
	return ret->container >= 0 && ret->count && ret_name[0] ? 0 : -EPROTO;
}

/* @tries: 0 at first. Return: whether to ask again: usherd was there before, and ended. */
static bool ask_again(int r, unsigned *tries)
{
	const struct timespec pause = {.tv_nsec = AGAIN_NS};

	if ((r != -EPIPE && !(r == -ENOTCONN && *tries)) || *tries == AGAIN_MAX)
		return false;
	++*tries;
	(void)nanosleep(&pause, NULL);
	return true;
}

static int lease_try(
	const struct service_lease *l, char *ret_name, struct borrowed *ret, struct err *e)
{
	struct bus_message *m = NULL, *answer = NULL;
	struct bus *b = NULL;

	*ret = BORROWED_NONE;
	ret_name[0] = '\0';
	int r = bus_open(&b, e);
	if (r < 0)
		return r;
	r = sd.message(b, &m, NAME, PATH, MANAGER, "Lease");
	if (r >= 0)
		r = lease_append(m, l);
	if (r < 0)
		(void)err_set(e, r, "ask usherd");
	else
		r = message_call(b, m, PATIENCE_US, &answer, e);
	if (answer) {
		r = answer_read(answer, l->quiet, ret_name, ret);
		if (r < 0)
			(void)err_say(e, r, "usherd has not sent the descriptors of a lease");
	}
	(void)sd.unref(answer);
	(void)sd.close(b);
	return r;
}

/* The same process or key gets the same lease, so a lost answer costs nothing. */
int service_lease(
	const struct service_lease *l, char *ret_name, struct borrowed *ret, struct err *e)
{
	unsigned tries = 0;
	int r;

	do {
		r = lease_try(l, ret_name, ret, e);
	} while (ask_again(r, &tries));
	return r;
}

static int bytes_read(struct bus_message *m, char **ret, size_t *ret_len)
{
	const void *bytes = NULL;

	int r = sd.array(m, 'y', &bytes, ret_len);
	if (r < 0)
		return r;
	*ret = calloc(1, *ret_len + 1);
	if (!*ret)
		return -ENOMEM;
	if (*ret_len)
		memcpy(*ret, bytes, *ret_len);
	return 0;
}

static int result_read(struct bus_message *m, struct service_result *ret, struct err *e)
{
	const char *state;
	int32_t status = 0;

	int r = sd.read(m, "si", &state, &status);
	if (r >= 0)
		r = bytes_read(m, &ret->output, &ret->output_len);
	if (r >= 0)
		r = bytes_read(m, &ret->errors, &ret->errors_len);
	if (r < 0)
		return err_set(e, r, "read usherd's answer");
	ret->status = status;
	if (strcmp(state, "cancelled") == 0 || strcmp(state, "timeout") == 0)
		return err_say(e, -ECANCELED, "usherd has ended the command (%s)", state);
	return 0;
}

void service_result_free(struct service_result *r)
{
	free(r->output);
	free(r->errors);
	*r = (struct service_result){0};
}

static int job_wait(struct bus *b, const char *path, struct service_result *ret, struct err *e)
{
	struct bus_message *m = NULL, *answer = NULL;

	int r = sd.message(b, &m, NAME, path, NAME ".Job", "Wait");
	if (r < 0)
		return err_set(e, r, "ask usherd");
	r = message_call(b, m, FOR_EVER_US, &answer, e);
	if (r == 0)
		r = result_read(answer, ret, e);
	(void)sd.unref(answer);
	return r;
}

/* Sends @m, which is answered with a job, and waits for that. "/": there was nothing to do. */
static int job_run(struct bus *b, struct bus_message *m, struct service_result *ret, struct err *e)
{
	struct bus_message *answer = NULL;
	const char *path;

	int r = message_call(b, m, PATIENCE_US, &answer, e);
	if (r < 0)
		return r;
	r = sd.read(answer, "o", &path);
	if (r < 0)
		r = err_set(e, r, "read usherd's answer");
	else
		r = strcmp(path, "/") == 0 ? 0 : job_wait(b, path, ret, e);
	(void)sd.unref(answer);
	return r;
}

/* The same; a command that has failed is an error with its sentence. */
static int job_await(struct bus *b, struct bus_message *m, struct err *e)
{
	struct service_result result = {0};

	int r = job_run(b, m, &result, e);
	const char *text = result.errors ? result.errors : "";
	if (r == 0 && result.status)
		r = explain_text(e, -EIO, strncmp(text, "usher: ", 7) == 0 ? text + 7 : text);
	service_result_free(&result);
	return r;
}

bool service_may_run(void)
{
	return getenv("DBUS_SYSTEM_BUS_ADDRESS") || access(BUS_SOCKET, F_OK) == 0;
}

static int run_append(
	struct bus_message *m, const char *verb, size_t count, const char *const *words)
{
	int r = sd.append(m, "s", verb);

	if (r >= 0)
		r = sd.begin(m, 'a', "s");
	for (size_t i = 0; r >= 0 && i < count; i++)
		r = sd.append(m, "s", words[i]);
	if (r >= 0)
		r = sd.end(m);
	return r < 0 ? r : sd.append(m, "a{sv}", 1, "limit", "t", RUN_LIMIT_S);
}

int service_run(const char *verb, size_t count, const char *const *words,
	struct service_result *ret, struct err *e)
{
	struct bus_message *m = NULL;
	struct bus *b = NULL;

	int r = bus_open(&b, e);
	if (r < 0)
		return r;
	r = sd.message(b, &m, NAME, PATH, MANAGER, "Run");
	if (r >= 0)
		r = run_append(m, verb, count, words);
	r = r < 0 ? err_set(e, r, "ask usherd") : job_run(b, m, ret, e);
	if (r == -EPIPE)
		err_hint(e, "what usherd had begun goes on; 'usher list' shows what came of it");
	(void)sd.close(b);
	return r;
}

static int return_try(const char *word, struct err *e)
{
	struct bus_message *m = NULL;
	struct bus *b = NULL;

	int r = bus_open(&b, e);
	if (r < 0)
		return r;
	r = sd.message(b, &m, NAME, PATH, MANAGER, "Return");
	if (r >= 0)
		r = sd.append(m, "s", word);
	r = r < 0 ? err_set(e, r, "ask usherd") : job_await(b, m, e);
	(void)sd.close(b);
	return r;
}

int service_return(const char *word, struct err *e)
{
	unsigned tries = 0;
	int r;

	do {
		r = return_try(word, e);
	} while (ask_again(r, &tries));
	return r;
}

/* As sd_bus_path_encode(3) does it. */
static void path_of(const char *name, char *buf, size_t size)
{
	size_t used = (size_t)snprintf(buf, size, PATH "/lease/");

	for (size_t i = 0; name[i] && used + 4 < size; i++) {
		const bool plain =
			isalpha((unsigned char)name[i]) || (i && isdigit((unsigned char)name[i]));
		used += (size_t)snprintf(
			buf + used, size - used, plain ? "%c" : "_%02x", (unsigned char)name[i]);
	}
}

static int await_try(const char *name, struct err *e)
{
	struct bus_message *m = NULL, *answer = NULL;
	char path[64 + 3 * SERVICE_NAME_MAX];
	const char *stuck = "";
	struct bus *b = NULL;

	int r = bus_open(&b, e);
	if (r < 0)
		return r;
	path_of(name, path, sizeof(path));
	r = sd.message(b, &m, NAME, path, NAME ".Lease", "Wait");
	r = r < 0 ? err_set(e, r, "ask usherd") : message_call(b, m, FOR_EVER_US, &answer, e);
	if (r == 0)
		r = sd.read(answer, "s", &stuck);
	if (r >= 0)
		r = stuck[0] ? explain_text(e, -EUCLEAN, stuck) : 0;
	(void)sd.unref(answer);
	(void)sd.close(b);
	return r;
}

int service_await(const char *name, struct err *e)
{
	unsigned tries = 0;
	int r;

	do {
		r = await_try(name, e);
	} while (ask_again(r, &tries));
	return r == -ENXIO ? 0 : r;
}

int service_revoke(const char *name, bool force, uint64_t timeout_s, struct err *e)
{
	struct bus_message *m = NULL;
	struct bus *b = NULL;

	int r = bus_open(&b, e);
	if (r < 0)
		return r;
	r = sd.message(b, &m, NAME, PATH, MANAGER, "Revoke");
	if (r >= 0)
		r = sd.append(
			m, "sa{sv}", name, 2, "force", "b", (int)force, "timeout", "t", timeout_s);
	r = r < 0 ? err_set(e, r, "ask usherd") : job_await(b, m, e);
	(void)sd.close(b);
	return r;
}
