/* SPDX-License-Identifier: MIT */
#include "engine/share.h"

#include "base/err.h"
#include "base/num.h"
#include "engine/spec.h"
#include "program/process.h"
#include "suite.h"

#include <errno.h>
#include <string.h>

static struct guest_share parsed(const char *text)
{
	struct guest_share s;
	struct err e = {0};

	ck_assert_msg(share_parse(text, &s, &e) == 0, "%s: %s", text, e.msg);
	return s;
}

START_TEST(words_of_a_share)
{
	static const char *const wrong[] = {"", ",ro", "/", "/srv/..", "/a,", "/a,rw",
		"/a,tag=", "/a,tag=a b", "/a,tag=a/b", "/a,tag=\xc3\xa4", "/srv/.hidden",
		"/srv/a b", "/a,tag=0123456789012345678901234567890123456"};
	struct guest_share s = parsed("/srv/data/");
	struct err e = {0};

	ck_assert_str_eq(s.path, "/srv/data/");
	ck_assert_str_eq(s.tag, "data");
	ck_assert(!s.readonly);
	s = parsed("/,tag=root,ro");
	ck_assert_str_eq(s.tag, "root");
	ck_assert(s.readonly);
	ck_assert_str_eq(parsed("/a,tag=012345678901234567890123456789012345").tag,
		"012345678901234567890123456789012345");
	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(share_parse(wrong[i], &s, &e) == -EINVAL, "'%s'", wrong[i]);
}
END_TEST

START_TEST(a_share_is_a_folder_with_a_tag_of_its_own)
{
	struct guest_spec s = {.name = "g"};
	struct err e = {0};

	if (!share_server_find().path)
		return;
	ck_assert_int_eq(spec_add_share(&s, "/tmp,tag=a", &e), 0);
	ck_assert(spec_has_backend(&s));
	int r = share_check(&s, &e);
	if (r == -EINVAL && strstr(e.msg, "only root"))
		return; /* this user has no right to QEMU's server */
	ck_assert_msg(r == 0, "%s", e.msg);
	ck_assert_int_eq(spec_add_share(&s, "/proc,tag=a", &e), 0);
	ck_assert_int_eq(share_check(&s, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "--share: two have the tag 'a'");
	s.virtio_count = 0;
	ck_assert_int_eq(spec_add_share(&s, "/etc/passwd", &e), 0);
	ck_assert_int_eq(share_check(&s, &e), -EINVAL);
	ck_assert_str_eq(e.msg, "--share: '/etc/passwd' is not a folder");
	s.virtio_count = 0;
	ck_assert_int_eq(spec_add_share(&s, "/nowhere", &e), 0);
	ck_assert_int_eq(share_check(&s, &e), -EINVAL);
}
END_TEST

/* Return: whether one of the words is @word, or ends with it behind a comma. */
static bool has_word(const struct program *p, const char *word)
{
	for (size_t i = 0; i < p->argc; i++) {
		const size_t len = strlen(p->argv[i]), end = strlen(word);
		const char *at = len >= end ? p->argv[i] + len - end : "";
		if (strcmp(at, word) == 0 && (at == p->argv[i] || at[-1] == ','))
			return true;
	}
	return false;
}

/* Both servers run as root in their sandbox, where a capability would let a guest make nodes. */
START_TEST(no_server_makes_device_nodes)
{
	static const struct share_server servers[] = {{"/virtiofsd", false}, {"/virtiofsd", true}};
	static struct program p;

	for (size_t i = 0; i < COUNT(servers); i++)
		for (unsigned readonly = 0; readonly < 2; readonly++) {
			const struct guest_share s = {.tag = "a", .readonly = readonly != 0};
			p = (struct program){0};
			share_describe(&p, &servers[i], &s, "/srv", 5);
			ck_assert_int_eq(p.error, 0);
			ck_assert_str_eq(p.argv[0], "/virtiofsd");
			ck_assert(has_word(&p, "--fd=5"));
			ck_assert(has_word(&p, i ? "modcaps=-mknod" : "--modcaps=-mknod"));
			ck_assert(has_word(&p, "--readonly") == (readonly && !i));
			ck_assert((p.enter != NULL) == (readonly && i));
		}
}
END_TEST

SUITE("share", words_of_a_share, a_share_is_a_folder_with_a_tag_of_its_own,
	no_server_makes_device_nodes)
