/* SPDX-License-Identifier: MIT */
#include "control/remote.h"

#include "base/err.h"
#include "base/num.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct remote_verb verbs[] = {
	{.name = "show",
		.action = "look",
		.operands = REMOTE_DEVICES,
		.least = 1,
		.reads = true,
		.options = " numeric json "},
	{.name = "check",
		.action = "look",
		.operands = REMOTE_DEVICES,
		.reads = true,
		.options = " all numeric json list "},
	{.name = "rom",
		.action = "rom",
		.operands = REMOTE_DEVICE_FILE,
		.least = 1,
		.most = 2,
		.options = " numeric json from=bar from=acpi allow=rom ",
		.overrides = " allow=driver "},
	{.name = "snapshot",
		.action = "snapshot",
		.operands = REMOTE_OUTPUT,
		.least = 1,
		.most = 1,
		.reads = true,
		.options = " ",
		.overrides = " exact "},
	{.name = "leases", .action = "look", .reads = true, .options = " json "},
	{.name = "prove",
		.action = "prove",
		.operands = REMOTE_DEVICES,
		.least = 1,
		.options = " numeric json timeout= dry-run "},
	{.name = "bind",
		.action = "bind",
		.operands = REMOTE_DEVICES,
		.least = 1,
		.options = " id= only bar= timeout= dry-run json ",
		.overrides = " driver= allow= user= user-group= "},
	{.name = "release",
		.action = "release",
		.operands = REMOTE_DEVICES,
		.least = 1,
		.options = " return= timeout= dry-run json ",
		.overrides = " allow= "},
	{.name = "vfs",
		.action = "vfs",
		.operands = REMOTE_DEVICE_COUNT,
		.least = 1,
		.options = " id= timeout= dry-run json "},
	{.name = "restore",
		.action = "restore",
		.operands = REMOTE_DEVICES,
		.options = " dry-run json ",
		.overrides = " all "},
	{.name = "revive",
		.action = "revive",
		.operands = REMOTE_DEVICES,
		.least = 1,
		.options = " id= timeout= dry-run json ",
		.overrides = " port= allow= "},
	{.name = "claim",
		.action = "claim",
		.operands = REMOTE_DEVICES,
		.least = 1,
		.options = " id= vfs= dry-run ",
		.overrides = " driver= allow= user= user-group= "},
	{.name = "unclaim",
		.action = "claim",
		.operands = REMOTE_CLAIMS,
		.least = 1,
		.options = " "},
	{.name = "apply", .action = "claim", .options = " timeout= dry-run "},
	{.name = "start",
		.action = "start",
		.operands = REMOTE_GUEST,
		.least = 1,
		.options = " plan "},
	{.name = "stop",
		.action = "stop",
		.operands = REMOTE_GUEST,
		.least = 1,
		.options = " force timeout= no-wait quiet "},
	{.name = "attach",
		.action = "attach",
		.operands = REMOTE_GUEST_DEVICES,
		.least = 2,
		.options = " live config dry-run json ",
		.overrides = " allow= "},
	{.name = "detach",
		.action = "detach",
		.operands = REMOTE_GUEST_DEVICES,
		.least = 2,
		.options = " live config timeout= json "},
};

const struct remote_verb *remote_find(const char *name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* Whether " @name@end " is in @list. */
static bool list_has(const char *list, const char *name, size_t len, const char *end)
{
	char word[64];

	if (!list || memchr(name, ' ', len) ||
		(size_t)snprintf(word, sizeof(word), " %.*s%s ", (int)len, name, end) >=
			sizeof(word))
		return false;
	return strstr(list, word) != NULL;
}

static int refuse_word(const struct remote_verb *v, const char *word, struct err *e)
{
	return err_say(
		e, -EINVAL, "usherd does not run '%s' with '%.64s' for others", v->name, word);
}

/* Whether @list has "name=", for any value, or "name=value". */
static bool list_takes(const char *list, const char *name, size_t len, const char *value)
{
	char end[32];

	if (list_has(list, name, len, "="))
		return true;
	return !strchr(value, ' ') &&
	       (size_t)snprintf(end, sizeof(end), "=%s", value) < sizeof(end) &&
	       list_has(list, name, len, end);
}

/* "--name", "--name=value", or "--name" before the value. Return: words used; -EINVAL. */
static int option_take(const struct remote_verb *v, const char *word, const char *next,
	struct remote_words *ret, struct err *e)
{
	const char *name = word + 2;
	const size_t len = strcspn(name, "=");
	const bool has_value = name[len] == '=';
	const char *value = has_value ? name + len + 1 : next;

	if (!has_value &&
		(list_has(v->options, name, len, "") || list_has(v->overrides, name, len, ""))) {
		ret->overrides = ret->overrides || list_has(v->overrides, name, len, "");
		return 1;
	}
	if (!value)
		return refuse_word(v, word, e);
	const bool overrides = list_takes(v->overrides, name, len, value);
	if (!overrides && !list_takes(v->options, name, len, value))
		return refuse_word(v, word, e);
	ret->overrides = ret->overrides || overrides;
	return has_value ? 1 : 2;
}

/* "-jn", of options that have such a letter. */
static int letters_take(const struct remote_verb *v, const char *word, struct err *e)
{
	for (const char *letter = word + 1; *letter; letter++) {
		const char *name = *letter == 'j' ? "json" : *letter == 'n' ? "numeric" : "-";
		if (!list_has(v->options, name, strlen(name), ""))
			return refuse_word(v, word, e);
	}
	return 1;
}

/* Whether operand @i may be "-", standard output. */
static bool takes_output(const struct remote_verb *v, size_t i)
{
	return v->operands == REMOTE_OUTPUT || (v->operands == REMOTE_DEVICE_FILE && i > 0);
}

static int word_take(const struct remote_verb *v, size_t count, const char *const *words, size_t i,
	struct remote_words *ret, struct err *e)
{
	const char *word = words[i];

	if (word[0] != '-' || (!word[1] && takes_output(v, ret->operand_count))) {
		ret->operands[ret->operand_count++] = i;
		return 1;
	}
	if (strncmp(word, "--", 2) == 0 && word[2])
		return option_take(v, word, i + 1 < count ? words[i + 1] : NULL, ret, e);
	return word[1] && word[1] != '-' ? letters_take(v, word, e) : refuse_word(v, word, e);
}

int remote_sort(const struct remote_verb *v, size_t count, const char *const *words,
	struct remote_words *ret, struct err *e)
{
	size_t bytes = 0;

	*ret = (struct remote_words){.operand_count = 0};
	for (size_t i = 0; i < count; i++)
		bytes += strlen(words[i]) + 1;
	if (count > REMOTE_WORDS_MAX || bytes > REMOTE_TEXT_MAX)
		return err_say(e, -E2BIG, "too many words for usherd");
	for (size_t i = 0; i < count;) {
		int r = word_take(v, count, words, i, ret, e);
		if (r < 0)
			return r;
		i += (size_t)r;
	}
	if (ret->operand_count < v->least)
		return err_say(e, -EINVAL, "'%s' needs more operands", v->name);
	if (v->most && ret->operand_count > v->most)
		return err_say(e, -EINVAL, "'%s' takes fewer operands", v->name);
	return 0;
}

bool remote_is_device(const struct remote_verb *v, size_t i)
{
	return v->operands == REMOTE_DEVICES || (v->operands == REMOTE_DEVICE_COUNT && i == 0) ||
	       (v->operands == REMOTE_DEVICE_FILE && i == 0) ||
	       (v->operands == REMOTE_GUEST_DEVICES && i > 0);
}
