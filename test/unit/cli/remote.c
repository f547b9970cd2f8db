/* SPDX-License-Identifier: MIT */
/* The verbs that usherd runs for others: their table is as the verbs are, and keeps paths out. */
#include "base/err.h"
#include "base/num.h"
#include "cli/option.h"
#include "cli/verb.h"
#include "control/remote.h"
#include "suite.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Whether the verb has an option of that name, with a value or without one. */
static bool table_has(const struct option *takes, const char *name, bool has_value)
{
	for (; takes && takes->name; takes++)
		if (strcmp(takes->name, name) == 0)
			return (takes->has_arg == required_argument) == has_value;
	return false;
}

static void check_options(const struct verb *v, const char *list)
{
	char *words = strdup(list ? list : ""), *rest = words, *word;
	const char *letters;
	const struct option *takes = option_table(v, &letters);

	while ((word = strsep(&rest, " "))) {
		/* "timeout=" has any value, "from=bar" has that one. */
		const size_t len = strcspn(word, "=");
		const bool has_value = word[len] == '=';
		if (!len)
			continue;
		word[len] = '\0';
		ck_assert_msg(table_has(takes, word, has_value), "%s --%s", v->name, word);
		/* Each of these has the path of a file. */
		ck_assert(strcmp(word, "host") != 0 && strcmp(word, "snapshot") != 0);
	}
	free(words);
}

START_TEST(the_table_is_as_the_verbs_are)
{
	unsigned count = 0;

	for (unsigned i = 0; verb_at(i); i++) {
		const struct remote_verb *r = remote_find(verb_at(i)->name);
		if (!r)
			continue;
		check_options(verb_at(i), r->options);
		check_options(verb_at(i), r->overrides);
		count++;
	}
	ck_assert_uint_eq(count, 18);
	ck_assert_ptr_null(remote_find("run"));
	ck_assert_ptr_null(remote_find("exec"));
}
END_TEST

static int sort(const char *verb, struct remote_words *ret, size_t count, const char *const *words)
{
	struct err e = {0};

	return remote_sort(remote_find(verb), count, words, ret, &e);
}

#define SORT(verb, ret, ...)                                                    \
	sort(verb, ret, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
		(const char *[]){__VA_ARGS__})

START_TEST(words_are_sorted_as_getopt_does)
{
	struct remote_words w;

	ck_assert_int_eq(SORT("bind", &w, "a", "--timeout", "5", "b", "--json"), 0);
	ck_assert_uint_eq(w.operand_count, 2);
	ck_assert_uint_eq(w.operands[0], 0);
	ck_assert_uint_eq(w.operands[1], 3);
	ck_assert(!w.overrides);
	ck_assert_int_eq(SORT("bind", &w, "--allow=use", "a"), 0);
	ck_assert(w.overrides);
	ck_assert_int_eq(SORT("bind", &w, "--driver", "x", "a"), 0);
	ck_assert(w.overrides && w.operand_count == 1 && w.operands[0] == 2);
	ck_assert_int_eq(SORT("show", &w, "-nj", "a"), 0);
	/* The value of an option is no option. */
	ck_assert_int_eq(SORT("bind", &w, "--timeout", "--host=x", "a"), 0);
	ck_assert_uint_eq(w.operand_count, 1);
}
END_TEST

/* A value that names a source is none that names a file; "-" is standard output. */
START_TEST(a_verb_writes_no_file_of_roots)
{
	struct remote_words w;

	ck_assert_int_eq(SORT("rom", &w, "a", "-", "--from", "bar", "--from=acpi"), 0);
	ck_assert_uint_eq(w.operand_count, 2);
	ck_assert(!w.overrides);
	ck_assert_int_eq(SORT("rom", &w, "a", "--from=/etc/shadow"), -EINVAL);
	ck_assert_int_eq(SORT("rom", &w, "a", "--from", "/etc/shadow"), -EINVAL);
	ck_assert_int_eq(SORT("rom", &w, "a", "--from"), -EINVAL);
	ck_assert_int_eq(SORT("rom", &w, "a", "--allow=rom", "--allow", "driver"), 0);
	ck_assert(w.overrides);
	ck_assert_int_eq(SORT("rom", &w, "a", "b", "c"), -EINVAL);
	ck_assert_int_eq(SORT("rom", &w, "-"), -EINVAL);
	ck_assert_int_eq(SORT("snapshot", &w, "-", "--exact"), 0);
	ck_assert(w.overrides);
	ck_assert_int_eq(SORT("snapshot", &w, "-", "b"), -EINVAL);
}
END_TEST

START_TEST(other_words_are_refused)
{
	struct remote_words w;

	ck_assert_int_eq(SORT("bind", &w, "a", "--host", "f"), -EINVAL);
	ck_assert_int_eq(SORT("bind", &w, "a", "--host=f"), -EINVAL);
	ck_assert_int_eq(SORT("bind", &w, "a", "--hos=f"), -EINVAL);
	ck_assert_int_eq(SORT("bind", &w, "a", "--json=f"), -EINVAL);
	ck_assert_int_eq(SORT("bind", &w, "a", "--timeout"), -EINVAL);
	ck_assert_int_eq(SORT("bind", &w, "a", "--"), -EINVAL);
	ck_assert_int_eq(SORT("bind", &w, "a", "-"), -EINVAL);
	ck_assert_int_eq(SORT("bind", &w, "a", "-x"), -EINVAL);
	ck_assert_int_eq(SORT("bind", &w, "a", "-n"), -EINVAL);
	ck_assert_int_eq(SORT("bind", &w, "a", "--only bar=1"), -EINVAL);
	ck_assert_int_eq(SORT("bind", &w, "--json"), -EINVAL);
	ck_assert_int_eq(SORT("attach", &w, "web"), -EINVAL);
	const char *many[REMOTE_WORDS_MAX + 1];
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = "a";
	ck_assert_int_eq(sort("bind", &w, COUNT(many), many), -E2BIG);
}
END_TEST

SUITE("cli/remote", the_table_is_as_the_verbs_are, words_are_sorted_as_getopt_does,
	a_verb_writes_no_file_of_roots, other_words_are_refused)
