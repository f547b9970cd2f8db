/* SPDX-License-Identifier: MIT */
#include "bind/journal.h"

#include "base/err.h"
#include "base/file.h"
#include "host/host.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char good[] = "usher-journal 1\n"
			   "group 12\n"
			   "boot 11111111-2222-3333-4444-555555555555\n"
			   "state taken\n"
			   "owner 812 99887766554433 web.1\n"
			   "domain a b\\x0a'c\n"
			   "writer 813 5\n"
			   "space 4026532201\n"
			   "kept yes\n"
			   "used no\n"
			   "reset waived\n"
			   "nodes 1000 - 0660\n"
			   "members 2\n"
			   "member 0000:03:00.0 8086:10d3 020000\n"
			   "to vfio-pci\n"
			   "driver e1000e\n"
			   "override -\n"
			   "control auto\n"
			   "reset_method flr bus\n"
			   "framebuffer efi-framebuffer/efi-framebuffer.0\n"
			   "bar 1 8\n"
			   "bar 3 0\n"
			   "vf 2 52:54:00:00:00:09 100 0 0x8100 0 0 1 0 - 0\n"
			   "member 10000:e1:00.1 1af4:1041 028000\n"
			   "to mlx5_vfio_pci\n"
			   "driver -\n"
			   "override pci-stub\n"
			   "control -\n"
			   "reset_method -\n"
			   "unwiped yes\n"
			   "end\n";

static int parse(const char *text, struct bind_entry *n, struct err *e)
{
	char *copy = suite_copy(text);

	int r = bind_entry_parse(copy, n, e);
	free(copy);
	return r;
}

/* An entry describes the past if none of its devices is as usher has left it. */
START_TEST(tells_the_past_from_a_loan)
{
	struct bind_member member = {.device = {.address = {.bus = 3}, .driver = "e1000e"}};
	struct bind_group group = {.count = 1, .members = &member};
	struct bind_entry n = BIND_ENTRY_NONE;
	struct bind_was was = {.address = {.bus = 3}, .driver = "e1000e", .to = "vfio-pci"};

	n.members = &was;
	n.count = 1;
	ck_assert(bind_entry_is_past(&group, &n));
	(void)strcpy(member.device.driver, "vfio-pci");
	ck_assert(!bind_entry_is_past(&group, &n));
	(void)strcpy(member.device.driver, "e1000e");
	(void)strcpy(member.device.driver_override, "vfio-pci");
	ck_assert(!bind_entry_is_past(&group, &n));
	member.device.driver_override[0] = '\0';
	(void)strcpy(was.to, "e1000e");
	ck_assert(!bind_entry_is_past(&group, &n));
	member.device.address.bus = 4; /* of another device */
	ck_assert(bind_entry_is_past(&group, &n));
}
END_TEST

START_TEST(reads_what_it_writes)
{
	struct bind_entry n = BIND_ENTRY_NONE;
	struct err e = {0};
	char *text = NULL;

	ck_assert_msg(parse(good, &n, &e) == 0, "%s", e.msg);
	ck_assert_int_eq(n.group, 12);
	ck_assert_int_eq(n.state, BIND_STATE_TAKEN);
	ck_assert_int_eq(n.owner.pid, 812);
	ck_assert_uint_eq(n.owner.start, 99887766554433);
	ck_assert_str_eq(n.owner.name, "web.1");
	ck_assert_str_eq(n.owner.domain, "a b\\x0a'c");
	ck_assert_uint_eq(n.owner.space, 4026532201);
	ck_assert_int_eq(n.writer, 813);
	ck_assert(n.manual && !n.used && n.reset_waived);
	ck_assert_uint_eq(n.access.uid, 1000);
	ck_assert_uint_eq(n.access.gid, (gid_t)-1);
	ck_assert_uint_eq(n.access.mode, 0660);
	ck_assert_uint_eq(n.count, 2);
	ck_assert(n.members[0].has_vf && !n.members[1].has_vf);
	ck_assert_uint_eq(n.members[0].vf.vlan, 100);
	ck_assert_str_eq(n.members[0].driver, "e1000e");
	ck_assert_str_eq(n.members[0].override, "");
	ck_assert_str_eq(n.members[0].reset_method, "flr bus");
	ck_assert(!n.members[0].unwiped && n.members[1].unwiped);
	ck_assert_str_eq(n.members[0].framebuffer, "efi-framebuffer/efi-framebuffer.0");
	ck_assert_uint_eq(n.members[0].bar[1], 9);
	ck_assert_uint_eq(n.members[0].bar[3], 1);
	ck_assert_uint_eq(n.members[1].address.domain, 0x10000);
	ck_assert_str_eq(n.members[1].override, "pci-stub");
	ck_assert_int_eq(bind_entry_format(&n, &text), (int)strlen(good));
	ck_assert_str_eq(text, good);
	free(text);
	bind_entry_fini(&n);
}
END_TEST

START_TEST(refuses_every_truncation)
{
	struct bind_entry n = BIND_ENTRY_NONE;
	struct err e = {0};
	char text[sizeof(good)];

	for (size_t len = 0; len < strlen(good); len++) {
		memcpy(text, good, len);
		text[len] = '\0';
		ck_assert_msg(parse(text, &n, &e) == -EBADMSG, "%zu bytes were taken", len);
		ck_assert_ptr_null(n.members);
	}
}
END_TEST

START_TEST(survives_every_changed_byte)
{
	struct bind_entry n = BIND_ENTRY_NONE;
	char text[sizeof(good)];
	static const char odd[] = {'\n', ' ', '/', '9', '\x7f'};

	/* Accepted or refused: no crash, no over-read, no leak, as ASan checks. */
	for (size_t i = 0; i < strlen(good); i++) {
		for (size_t k = 0; k < sizeof(odd); k++) {
			struct err e = {0};
			memcpy(text, good, sizeof(good));
			text[i] = odd[k];
			int r = parse(text, &n, &e);
			ck_assert(r == 0 || (r == -EBADMSG && e.msg[0]));
			bind_entry_fini(&n);
		}
	}
}
END_TEST

/* Replaces one line of the good entry. */
static int parse_with(const char *line, const char *other, struct err *e)
{
	struct bind_entry n = BIND_ENTRY_NONE;
	char text[4096];
	const char *at = strstr(good, line);

	ck_assert_ptr_nonnull(at);
	(void)snprintf(
		text, sizeof(text), "%.*s%s%s", (int)(at - good), good, other, at + strlen(line));
	int r = parse(text, &n, e);
	bind_entry_fini(&n);
	return r;
}

START_TEST(refuses_what_would_lead_astray)
{
	struct err e = {0};

	ck_assert_int_eq(parse_with("driver e1000e", "driver ../../e1000", &e), -EBADMSG);
	ck_assert_str_eq(e.msg, "journal entry: line 16: expected 'driver'");
	ck_assert_int_eq(parse_with("members 2", "members 1025", &e), -EBADMSG);
	ck_assert_int_eq(parse_with("members 2", "members 3", &e), -EBADMSG);
	ck_assert_int_eq(parse_with("members 2", "members 1", &e), -EBADMSG);
	ck_assert_int_eq(parse_with("usher-journal 1", "usher-journal 2", &e), -EBADMSG);
	ck_assert_int_eq(parse_with("owner 812", "owner -812", &e), -EBADMSG);
	ck_assert_int_eq(parse_with("owner 812", "owner 99999999999", &e), -EBADMSG);
	ck_assert_int_eq(parse_with("web.1", "web 1", &e), -EBADMSG);
	ck_assert_int_eq(parse_with("domain a b", "domain a\x1b b", &e), -EBADMSG);
	ck_assert_int_eq(parse_with("domain a b", "domain a\xff b", &e), -EBADMSG);
	ck_assert_int_eq(parse_with("efi-framebuffer/", "../../", &e), -EBADMSG);
	ck_assert_int_eq(parse_with("efi-framebuffer/", "", &e), -EBADMSG);
	ck_assert_int_eq(parse_with("bar 1 8", "bar 6 8", &e), -EBADMSG);
	ck_assert_int_eq(parse_with("bar 1 8", "bar 1 44", &e), -EBADMSG);
	ck_assert_int_eq(parse_with("bar 1 8", "bar 3 8", &e), -EBADMSG); /* twice */
	ck_assert_int_eq(parse_with("bar 1 8", "bar 1", &e), -EBADMSG);
	ck_assert_int_eq(parse_with("end\n", "end\nend\n", &e), -EBADMSG);
	ck_assert_int_eq(parse_with("members 2", "members 2", &e), 0);
}
END_TEST

START_TEST(keeps_entries_in_files)
{
	char dir[] = "/tmp/usher-journal-XXXXXX", path[FILE_PATH_MAX];
	struct bind_env env = {.host = host_live()};
	struct bind_entry n = BIND_ENTRY_NONE, again = BIND_ENTRY_NONE;
	struct err e = {0};

	env.state = mkdtemp(dir);
	ck_assert_int_eq(bind_journal_read(&env, 12, &n, &e), -ENOENT);
	ck_assert_int_eq(parse(good, &n, &e), 0);
	ck_assert_msg(bind_journal_write(&env, &n, &e) == 0, "%s", e.msg);
	ck_assert_msg(bind_journal_read(&env, 12, &again, &e) == 0, "%s", e.msg);
	ck_assert_uint_eq(again.count, 2);
	bind_entry_fini(&again);
	/* An entry under the name of another group would return the wrong devices. */
	ck_assert_int_eq(file_path(path, sizeof(path), "%s/journal/13", dir), 0);
	ck_assert_int_eq(file_replace(path, good, strlen(good), 0644), 0);
	ck_assert_int_eq(bind_journal_read(&env, 13, &again, &e), -EBADMSG);
	ck_assert_int_eq(bind_journal_remove(&env, 13, &e), 0);
	ck_assert_int_eq(bind_journal_remove(&env, 12, &e), 0);
	ck_assert_int_eq(bind_journal_remove(&env, 12, &e), 0);
	ck_assert_int_eq(bind_journal_read(&env, 12, &again, &e), -ENOENT);
	bind_entry_fini(&n);
	ck_assert_int_eq(file_path(path, sizeof(path), "%s/journal", dir), 0);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

SUITE("journal", tells_the_past_from_a_loan, reads_what_it_writes, refuses_every_truncation,
	survives_every_changed_byte, refuses_what_would_lead_astray, keeps_entries_in_files)
