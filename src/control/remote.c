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

/* "--name", "--name=value", or "--name" before the value. Return: words used; -EINVAL. */
static int option_take(const struct remote_verb *v, const char *word, bool is_last,
	struct remote_words *ret, struct err *e)
{
	const char *name = word + 2;
	const size_t len = strcspn(name, "=");
	const bool has_value = name[len] == '=';

	if (!has_value &&
		(list_has(v->options, name, len, "") || list_has(v->overrides, name, len, ""))) {
		ret->overrides = ret->overrides || list_has(v->overrides, name, len, "");
		return 1;
	}
	if (!list_has(v->options, name, len, "=") && !list_has(v->overrides, name, len, "="))
		return refuse_word(v, word, e);
	ret->overrides = ret->overrides || list_has(v->overrides, name, len, "=");
	if (!has_value && is_last)
		return refuse_word(v, word, e);
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

static int word_take(const struct remote_verb *v, size_t count, const char *const *words, size_t i,
	struct remote_words *ret, struct err *e)
{
	const char *word = words[i];

	if (word[0] != '-') {
		ret->operands[ret->operand_count++] = i;
		return 1;
	}
	if (strncmp(word, "--", 2) == 0 && word[2])
		return option_take(v, word, i + 1 == count, ret, e);
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
	if (ret->operand_count >= v->least)
		return 0;
	return err_say(e, -EINVAL, "'%s' needs more operands", v->name);
}

bool remote_is_device(const struct remote_verb *v, size_t i)
{
	return v->operands == REMOTE_DEVICES || (v->operands == REMOTE_DEVICE_COUNT && i == 0) ||
	       (v->operands == REMOTE_GUEST_DEVICES && i > 0);
}
