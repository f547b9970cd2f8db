/* SPDX-License-Identifier: MIT */
#include "daemon/request.h"

#include "base/fd.h"
#include "base/num.h"
#include "bind/owner.h"
#include "daemon/claims.h"
#include "daemon/hardware.h"
#include "daemon/sender.h"
#include "daemon/text.h"
#include "lease/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACTIONS "org.usher.Usher1."
#define POLKIT "org.freedesktop.PolicyKit1"
#define MEMBERS_TEXT 512 /* [bytes] "0000:01:00.1 0000:01:00.2" */
#define POLKIT_INTERACTS 1u /* AllowUserInteraction */
/* A person may have to find a password. */
#define POLKIT_PATIENCE_US (120 * UINT64_C(1000000))

struct request *request_new(struct daemon *d, sd_bus_message *m, const char *action,
	int (*permitted)(struct request *q))
{
	struct request *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	*q = (struct request){.daemon = d,
		.message = sd_bus_message_ref(m),
		.action = action,
		.detail = "lease",
		.output_fd = -1,
		.file_fd = -1,
		.permitted = permitted};
	return q;
}

void request_free(struct request *q)
{
	if (!q)
		return;
	struct request **at = &q->daemon->requests;
	while (*at && *at != q)
		at = &(*at)->next;
	if (*at)
		*at = q->next;
	(void)sd_bus_slot_unref(q->slot);
	(void)sd_bus_message_unref(q->message);
	fd_close(&q->output_fd);
	fd_close(&q->file_fd);
	free(q->said);
	free(q);
}

static int refuse_argument(sd_bus_error *error, const char *what, const char *value)
{
	return text_refuse(error, SD_BUS_ERROR_INVALID_ARGS, "%s '%.64s'", what, value);
}

int request_read_devices(struct request *q, sd_bus_error *error)
{
	const char *word;

	int r = sd_bus_message_enter_container(q->message, 'a', "s");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_read(q->message, "s", &word)) > 0) {
		const struct pci_device *p = hardware_find(q->daemon, word);
		if (!p)
			return text_refuse(error, BUS_NAME ".Error.NotFound",
				"there is no device '%.64s'", word);
		if (q->device_count == REQUEST_DEVICES_MAX)
			return refuse_argument(error, "too many devices, from", word);
		(void)pci_address_format(p->address, q->devices[q->device_count++]);
	}
	if (r < 0)
		return r;
	if (!q->device_count)
		return sd_bus_error_set_const(error, SD_BUS_ERROR_INVALID_ARGS, "no device");
	return sd_bus_message_exit_container(q->message);
}

int request_read_words(struct request *q, sd_bus_error *error)
{
	const char *word;

	int r = sd_bus_message_enter_container(q->message, 'a', "s");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_read(q->message, "s", &word)) > 0)
		if (!word_add(&q->words, "%s", word))
			return sd_bus_error_set_const(
				error, SD_BUS_ERROR_INVALID_ARGS, "too many words");
	return r < 0 ? r : sd_bus_message_exit_container(q->message);
}

static int take_words(struct request *q, sd_bus_error *error)
{
	int r = sd_bus_message_enter_container(q->message, 'v', "as");

	if (r >= 0)
		r = request_read_words(q, error);
	return r < 0 ? r : sd_bus_message_exit_container(q->message);
}

static int take_key(struct request *q, sd_bus_error *error)
{
	const char *text;

	int r = sd_bus_message_read(q->message, "v", "s", &text);
	if (r < 0)
		return r;
	/* A '+' is between a user and that user's key. */
	if (!bind_name_ok(text) || text[0] == '.' || strchr(text, '+') ||
		strlen(text) > LEASE_KEY_USER_MAX)
		return refuse_argument(error, "this is no key:", text);
	(void)snprintf(q->name, sizeof(q->name), "%s", text);
	return 0;
}

/*
 * Only memory has seals: a memfd, and a file of a tmpfs, which has a name. Into a file with a name,
 * the caller could have root write what the caller may not write.
 */
static int take_memory(struct request *q, const char *key, int *ret, sd_bus_error *error)
{
	struct stat st;
	int fd = -1;

	int r = sd_bus_message_read(q->message, "v", "h", &fd);
	if (r < 0)
		return r;
	if (*ret >= 0 || fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &st) < 0 || st.st_nlink)
		return refuse_argument(error, "this is not the one memfd of", key);
	*ret = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return *ret < 0 ? -errno : 0;
}

static int option_read(struct request *q, const char *key, sd_bus_error *error)
{
	int flag, r;

	/* Of a lease, which has no words: the name of a verb's request is what polkit hears of. */
	if (strcmp(key, "key") == 0 && !q->words.count)
		return take_key(q, error);
	if (strcmp(key, "for") == 0 && !q->words.count)
		return sd_bus_message_read(q->message, "v", "t", &q->for_s);
	if (strcmp(key, "limit") == 0)
		return sd_bus_message_read(q->message, "v", "t", &q->limit_s);
	/* Options of the verb; a lease has none. */
	if (strcmp(key, "words") == 0 && q->words.count)
		return take_words(q, error);
	if (strcmp(key, "output") == 0 && q->words.count)
		return take_memory(q, key, &q->output_fd, error);
	if (strcmp(key, "file") == 0 && q->words.count)
		return take_memory(q, key, &q->file_fd, error);
	if (strcmp(key, "timeout") == 0) {
		q->has_timeout = true;
		return sd_bus_message_read(q->message, "v", "t", &q->timeout_s);
	}
	if (strcmp(key, "force") == 0) {
		r = sd_bus_message_read(q->message, "v", "b", &flag);
		q->force = r >= 0 && flag;
		return r;
	}
	return refuse_argument(error, "there is no option", key);
}

int request_read_options(struct request *q, sd_bus_error *error)
{
	const char *key;
	size_t count = 0;

	int r = sd_bus_message_enter_container(q->message, 'a', "{sv}");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_enter_container(q->message, 'e', "sv")) > 0) {
		r = sd_bus_message_read(q->message, "s", &key);
		if (r >= 0 && count++ == REQUEST_OPTIONS_MAX)
			return refuse_argument(error, "too many options, from", key);
		if (r >= 0)
			r = option_read(q, key, error);
		if (r == -ENXIO) /* from sd_bus_message_read() */
			return refuse_argument(error, "this option is of another type:", key);
		if (r < 0)
			return r;
		r = sd_bus_message_exit_container(q->message);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : sd_bus_message_exit_container(q->message);
}

void request_fail(struct request *q, const char *name, const char *text)
{
	char full[64];

	(void)snprintf(full, sizeof(full), BUS_NAME ".Error.%s", name);
	text_reply(q->message, full, "%s", text);
}

static void request_permit(struct request *q)
{
	int r = q->permitted(q);

	if (r >= 0)
		return; /* it belongs to the job now, or was answered */
	if (r == -EBUSY)
		request_fail(q, "Busy", "usherd has as many jobs as it takes");
	else
		text_reply(q->message, BUS_NAME ".Error.Failed",
			"usherd cannot start a process for that: %s", strerror(-r));
	request_free(q);
}

/* The claim that the question is about; NULL: none. */
static const char *question_claim(const struct request *q)
{
	const size_t i = q->asked - q->device_count;

	return q->asked >= q->device_count && i < q->claim_count ? q->claims[i] : NULL;
}

/* The device, or the one that the claim means now; NULL: none. */
static const struct pci_device *question_device(const struct request *q)
{
	const char *claim = question_claim(q);
	char address[PCI_ADDRESS_TEXT];

	if (q->asked < q->device_count)
		return hardware_find(q->daemon, q->devices[q->asked]);
	return claim && claims_device(q->daemon, claim, address) ? hardware_find(q->daemon, address)
								 : NULL;
}

static void request_deny(struct request *q, const char *why)
{
	const char *claim = question_claim(q);
	const char *about = claim ? claim : q->device_count ? q->devices[q->asked] : "";

	text_reply(q->message, SD_BUS_ERROR_ACCESS_DENIED, "%s%s%s: %s", q->action,
		about[0] ? " " : "", about, why);
	request_free(q);
}

static int polkit_ask(struct request *q);

/* The next one; behind the last, all again for the stronger action. Return: is there one. */
static bool next_question(struct request *q)
{
	if (++q->asked < q->device_count + q->claim_count)
		return true;
	if (!q->overrides)
		return false;
	q->overrides = false;
	q->action = "override";
	q->asked = 0;
	return true;
}

/* A busy host may not start it in time, and it may end before it answers. */
static const char *explain_silence(sd_bus_message *m)
{
	const bool is_absent =
		sd_bus_message_is_method_error(m, SD_BUS_ERROR_SERVICE_UNKNOWN) > 0 ||
		sd_bus_message_is_method_error(m, SD_BUS_ERROR_NAME_HAS_NO_OWNER) > 0;

	return is_absent ? "polkit does not run, and without it only root may do this"
			 : "polkit has not answered: try again";
}

static int on_polkit(sd_bus_message *m, void *arg, sd_bus_error *error)
{
	struct request *q = arg;
	int yes = 0, challenge = 0;

	q->slot = sd_bus_slot_unref(q->slot);
	if (sd_bus_message_is_method_error(m, NULL)) {
		request_deny(q, explain_silence(m));
		return 0;
	}
	int r = sd_bus_message_enter_container(m, 'r', "bba{ss}");
	if (r >= 0)
		r = sd_bus_message_read(m, "bb", &yes, &challenge);
	if (r < 0 || !yes) {
		request_deny(q, r >= 0 && challenge ? "polkit wants a password, and may not ask"
						    : "polkit does not permit it");
		return 0;
	}
	if (!next_question(q))
		request_permit(q);
	else if (polkit_ask(q) < 0)
		request_deny(q, "polkit cannot be asked");
	return 0;
}

static int detail_append(sd_bus_message *m, const char *key, const char *value)
{
	return sd_bus_message_append(m, "{ss}", key, value);
}

static int device_append(const struct request *q, sd_bus_message *m, const struct pci_device *p)
{
	char address[PCI_ADDRESS_TEXT], class[16], vendor[8], group[16], members[MEMBERS_TEXT];

	hardware_members(q->daemon, p, members, sizeof(members));
	(void)snprintf(class, sizeof(class), "%04x", p->class >> 8);
	(void)snprintf(vendor, sizeof(vendor), "%04x", p->vendor);
	(void)snprintf(group, sizeof(group), "%d", p->group);
	return sd_bus_message_append(m, "{ss}{ss}{ss}{ss}{ss}{ss}", "device",
		pci_address_format(p->address, address), "class", class, "vendor", vendor, "group",
		group, "driver", p->driver, "members", members);
}

/*
 * The guest of attach and detach, the guest or lease of other methods. What a caller calls its own
 * lease is no matter of polkit's.
 */
static bool name_is_detail(const struct request *q)
{
	return q->name[0] && (!q->device_count || strcmp(q->detail, "guest") == 0);
}

/* The details, by which a rule can decide. */
static int details_append(const struct request *q, sd_bus_message *m)
{
	const struct pci_device *p = question_device(q);
	const char *claim = question_claim(q);

	int r = sd_bus_message_open_container(m, 'a', "{ss}");
	if (r >= 0 && claim)
		r = detail_append(m, "claim", claim);
	if (r >= 0 && p)
		r = device_append(q, m, p);
	else if (r >= 0 && q->asked < q->device_count)
		r = detail_append(m, "device", q->devices[q->asked]);
	if (r >= 0 && name_is_detail(q))
		r = detail_append(m, q->detail, q->name);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int polkit_ask(struct request *q)
{
	sd_bus_message *m = NULL;
	char action[64];

	(void)snprintf(action, sizeof(action), ACTIONS "%s", q->action);
	int r = sd_bus_message_new_method_call(q->daemon->bus, &m, POLKIT,
		"/org/freedesktop/PolicyKit1/Authority", POLKIT ".Authority", "CheckAuthorization");
	if (r >= 0)
		r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s",
			sd_bus_message_get_sender(q->message), action);
	if (r >= 0)
		r = details_append(q, m);
	if (r >= 0)
		r = sd_bus_message_append(m, "us",
			sd_bus_message_get_allow_interactive_authorization(q->message) > 0
				? POLKIT_INTERACTS
				: 0,
			"");
	if (r >= 0)
		r = sd_bus_call_async(
			q->daemon->bus, &q->slot, m, on_polkit, q, POLKIT_PATIENCE_US);
	(void)sd_bus_message_unref(m);
	return r;
}

static int caller_read(struct request *q)
{
	struct sender s;

	if (!q->is_of_process)
		return sender_user(q->message, &q->uid);
	int r = sender_read(q->message, &s);
	if (r < 0)
		return r;
	q->uid = s.uid;
	q->pid = s.pid;
	q->start = s.start;
	return 0;
}

/* What ordinary users can make the daemon hold is bounded. Return: whether there is room. */
static bool requests_add(struct request *q)
{
	size_t all = 0, own = 0;

	for (const struct request *i = q->daemon->requests; i; i = i->next) {
		all++;
		own += i->uid == q->uid;
	}
	if (all >= REQUESTS_MAX || own >= REQUESTS_USER_MAX)
		return false;
	q->next = q->daemon->requests;
	q->daemon->requests = q;
	return true;
}

int request_authorise(struct request *q, sd_bus_error *error)
{
	int r = caller_read(q);

	if (r < 0) {
		request_free(q);
		return sd_bus_error_set_const(
			error, SD_BUS_ERROR_ACCESS_DENIED, "the caller is gone");
	}
	if (q->uid == 0) {
		request_permit(q);
		return 1;
	}
	if (!requests_add(q)) {
		request_free(q);
		return sd_bus_error_set_const(
			error, BUS_NAME ".Error.Busy", "too many requests wait already");
	}
	r = polkit_ask(q);
	if (r >= 0)
		return 1;
	request_free(q);
	return r;
}
