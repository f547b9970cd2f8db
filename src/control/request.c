/* SPDX-License-Identifier: MIT */
#include "control/request.h"

#include "base/err.h"
#include "base/num.h"
#include "control/value.h"

#include <errno.h>
#include <string.h>

static const char *const names[] = {
	[CONTROL_STATE] = "state",
	[CONTROL_STOP] = "stop",
	[CONTROL_RESET] = "reset",
	[CONTROL_PAUSE] = "pause",
	[CONTROL_RESUME] = "resume",
	[CONTROL_STATISTICS] = "statistics",
	[CONTROL_CONSOLE] = "console",
	[CONTROL_EVENTS] = "events",
	[CONTROL_RESIZE] = "resize",
	[CONTROL_LINK] = "link",
	[CONTROL_BALLOON] = "balloon",
	[CONTROL_DESCRIPTORS] = "descriptors",
	[CONTROL_RETURN] = "return",
	[CONTROL_ATTACH] = "attach",
	[CONTROL_DETACH] = "detach",
	[CONTROL_RESTRICT] = "restrict",
};

enum key_type {
	KEY_FLAG,
	KEY_SECONDS,
	KEY_DISK,
	KEY_SIZE,
	KEY_PORT,
	KEY_CARD,
	KEY_DEVICES,
	KEY_CHECKS
};

/* A key that one command takes; the others refuse it, because a misspelt one must not get lost. */
static const struct {
	const char *key;
	enum control_command command;
	enum key_type type;
	size_t field;
} keys[] = {
	{"force", CONTROL_STOP, KEY_FLAG, offsetof(struct control_request, force)},
	{"timeout", CONTROL_STOP, KEY_SECONDS, offsetof(struct control_request, timeout_s)},
	{"read_only", CONTROL_CONSOLE, KEY_FLAG, offsetof(struct control_request, read_only)},
	{"stream", CONTROL_CONSOLE, KEY_FLAG, offsetof(struct control_request, stream)},
	{"disk", CONTROL_RESIZE, KEY_DISK, offsetof(struct control_request, disk)},
	{"size", CONTROL_RESIZE, KEY_SIZE, offsetof(struct control_request, size)},
	{"port", CONTROL_CONSOLE, KEY_PORT, offsetof(struct control_request, port)},
	{"card", CONTROL_LINK, KEY_CARD, offsetof(struct control_request, card)},
	{"size", CONTROL_BALLOON, KEY_SIZE, offsetof(struct control_request, size)},
	{"up", CONTROL_LINK, KEY_FLAG, offsetof(struct control_request, up)},
	{"devices", CONTROL_ATTACH, KEY_DEVICES, offsetof(struct control_request, devices)},
	{"devices", CONTROL_DETACH, KEY_DEVICES, offsetof(struct control_request, devices)},
	{"allow", CONTROL_ATTACH, KEY_CHECKS, offsetof(struct control_request, allow)},
	{"timeout", CONTROL_DETACH, KEY_SECONDS, offsetof(struct control_request, timeout_s)},
	{"to", CONTROL_RESTRICT, KEY_DEVICES, offsetof(struct control_request, to)},
};

struct reading {
	struct control_request *request;
	const struct control_value *object;
	struct err *e;
};

const char *control_command_name(enum control_command c)
{
	return c >= CONTROL_STATE && c <= CONTROL_RESTRICT ? names[c] : "";
}

/* Return: 0: it is none. */
static enum control_command command_find(const char *text)
{
	for (size_t i = CONTROL_STATE; i < COUNT(names); i++)
		if (strcmp(names[i], text) == 0)
			return (enum control_command)i;
	return (enum control_command)0;
}

static int command_take(struct reading *r)
{
	const char *text = control_value_text(r->object, "command");

	r->request->command = text ? command_find(text) : (enum control_command)0;
	if (r->request->command)
		return 0;
	return text ? err_say(r->e, -EINVAL, "unknown command '%.64s'", text)
		    : err_say(r->e, -EINVAL, "the request has no command");
}

static int flag_take(const struct reading *r, const char *key, size_t field)
{
	if (!control_value_is_flag(control_value_member(r->object, key)))
		return err_say(r->e, -EINVAL, "%s is neither true nor false", key);
	*(bool *)(void *)((char *)r->request + field) = control_value_flag(r->object, key);
	return 0;
}

static int seconds_take(const struct reading *r, const char *key, size_t field)
{
	const int most = r->request->command == CONTROL_DETACH ? CONTROL_DETACH_MAX_S
							       : CONTROL_TIMEOUT_MAX_S;
	int64_t n = -1;

	if (!control_value_number(r->object, key, &n) || n < 0 || n > most)
		return err_say(
			r->e, -EINVAL, "%s is not a number of seconds from 0 to %d", key, most);
	*(uint32_t *)(void *)((char *)r->request + field) = (uint32_t)n;
	return 0;
}

/* @size: with the NUL. */
static int text_take(const struct reading *r, const char *key, size_t field, size_t size)
{
	const char *text = control_value_text(r->object, key);

	if (!text || !text[0] || strlen(text) >= size)
		return err_say(r->e, -EINVAL, "%s is not a text of 1 to %zu bytes", key, size - 1);
	(void)strcpy((char *)r->request + field, text);
	return 0;
}

static int size_take(const struct reading *r, const char *key, size_t field)
{
	int64_t n = 0;

	if (!control_value_number(r->object, key, &n) || n <= 0)
		return err_say(r->e, -EINVAL, "%s is not a number of bytes above 0", key);
	*(uint64_t *)(void *)((char *)r->request + field) = (uint64_t)n;
	return 0;
}

struct word_list {
	struct control_words *words;
	size_t max;
};

static int word_take(void *arg, const char *key, const struct control_value *member)
{
	struct word_list *l = arg;
	const char *text = control_value_as_text(member);

	(void)key;
	if (!text || !text[0] || strlen(text) >= CONTROL_WORD_MAX || l->words->count == l->max)
		return -EINVAL;
	(void)strcpy(l->words->list[l->words->count++], text);
	return 0;
}

static int words_take(const struct reading *r, const char *key, size_t field, size_t max)
{
	struct word_list l = {(void *)((char *)r->request + field), max};
	const struct control_value *list = control_value_member(r->object, key);

	if (control_value_is_list(list) && control_value_each(list, word_take, &l) == 0)
		return 0;
	return err_say(r->e, -EINVAL, "%s is not a list of at most %zu texts of 1 to %d bytes", key,
		max, CONTROL_WORD_MAX - 1);
}

static int key_take(const struct reading *r, enum key_type type, const char *key, size_t field)
{
	switch (type) {
	case KEY_FLAG:
		return flag_take(r, key, field);
	case KEY_SECONDS:
		return seconds_take(r, key, field);
	case KEY_DISK:
		return text_take(r, key, field, CONTROL_DISK_MAX);
	case KEY_PORT:
		return text_take(r, key, field, CONTROL_PORT_MAX);
	case KEY_CARD:
		return text_take(r, key, field, CONTROL_CARD_MAX);
	case KEY_SIZE:
		return size_take(r, key, field);
	case KEY_DEVICES:
		return words_take(r, key, field, CONTROL_DEVICES_MAX);
	case KEY_CHECKS:
		return words_take(r, key, field, CONTROL_ALLOW_MAX);
	}
	return -EINVAL;
}

static int member_take(void *arg, const char *key, const struct control_value *member)
{
	struct reading *r = arg;

	if (strcmp(key, "command") == 0)
		return 0;
	if (strcmp(key, "id") == 0)
		return r->request->has_id ? 0 : err_say(r->e, -EINVAL, "id is not an integer");
	for (size_t i = 0; i < COUNT(keys); i++) {
		if (keys[i].command != r->request->command || strcmp(keys[i].key, key) != 0)
			continue;
		return key_take(r, keys[i].type, key, keys[i].field);
	}
	return err_say(r->e, -EINVAL, "command '%s' takes no '%.64s'",
		control_command_name(r->request->command), key);
}

static int commands_take(const struct reading *r)
{
	struct control_request *q = r->request;

	for (size_t i = 0; i < q->to.count; i++) {
		const enum control_command c = command_find(q->to.list[i]);
		if (!c)
			return err_say(r->e, -EINVAL, "unknown command '%s'", q->to.list[i]);
		q->commands |= control_command_bit(c);
	}
	return q->commands ? 0 : err_say(r->e, -EINVAL, "the request permits no command");
}

static int members_take(struct reading *r)
{
	int x = command_take(r);
	if (x < 0)
		return x;
	if (r->request->command == CONTROL_DETACH)
		r->request->timeout_s = CONTROL_DETACH_S;
	x = control_value_each(r->object, member_take, r);
	if (x < 0)
		return x;
	if (r->request->command == CONTROL_RESIZE && !r->request->disk[0])
		return err_say(r->e, -EINVAL, "the request has no disk");
	if (r->request->command == CONTROL_LINK && !r->request->card[0])
		return err_say(r->e, -EINVAL, "the request has no card");
	if (r->request->command == CONTROL_LINK && !control_value_member(r->object, "up"))
		return err_say(r->e, -EINVAL, "the request does not say whether the link is up");
	if ((r->request->command == CONTROL_ATTACH || r->request->command == CONTROL_DETACH) &&
		!r->request->devices.count)
		return err_say(r->e, -EINVAL, "the request has no devices");
	if (r->request->command == CONTROL_BALLOON && !r->request->size)
		return err_say(r->e, -EINVAL, "the request has no size");
	return r->request->command == CONTROL_RESTRICT ? commands_take(r) : 0;
}

int control_request_parse(const char *line, size_t len, struct control_request *ret, struct err *e)
{
	struct control_value *object = NULL;

	*ret = (struct control_request){.timeout_s = CONTROL_TIMEOUT_S};
	int r = control_value_parse(line, len, &object, e);
	if (r < 0)
		return r;
	struct reading reading = {.request = ret, .object = object, .e = e};
	ret->has_id = control_value_number(object, "id", &ret->id);
	r = members_take(&reading);
	control_value_free(object);
	return r;
}
