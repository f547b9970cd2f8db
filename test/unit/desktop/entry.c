/* SPDX-License-Identifier: MIT */
#include "desktop/entry.h"

#include "base/num.h"
#include "replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOOT "11111111-2222-3333-4444-555555555555"
#define CARD "0000:01:00.0"

static struct bind_env env_of(struct host *h, const char *state)
{
	struct bind_env env = bind_env_live();

	env.host = h;
	env.state = state;
	return env;
}

static struct desktop_entry entry_full(void)
{
	struct desktop_entry n = {.address.bus = 1,
		.vendor = 0x10de,
		.device = 0x2204,
		.boot = BOOT,
		.owner = {1234, 5678},
		.keeper = {1235, 5679},
		.vt = 7,
		.console_count = 1,
		.consoles = {"(M) frame buffer device"},
		.module_count = 2,
		.modules = {"nvidia_drm", "nvidia_modeset"},
		.unit_count = 2,
		.units = {"kiosk@1.service", "gdm.service"}};

	return n;
}

static void entry_copy(const struct desktop_entry *n, struct desktop_entry *ret, char **text)
{
	char folder[] = "/tmp/usher-test.XXXXXX", path[128];
	struct err e = {0};

	ck_assert_ptr_nonnull(mkdtemp(folder));
	const struct bind_env env = env_of(host_live(), folder);
	struct bind_transaction w = {.env = &env};
	ck_assert_msg(desktop_entry_write(&w, n, &e) == 0, "%s", e.msg);
	ck_assert_msg(desktop_entry_read(&env, n->address, ret, &e) == 0, "%s", e.msg);
	(void)snprintf(path, sizeof(path), "%s/desktop/" CARD, folder);
	ck_assert_int_gt(host_read_all(host_live(), path, text), 0);
	ck_assert_int_eq(desktop_entry_remove(&w, n->address, &e), 0);
	ck_assert_int_eq(desktop_entry_read(&env, n->address, ret, &e), -ENOENT);
	(void)snprintf(path, sizeof(path), "%s/desktop", folder);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}

static int text_read(const char *text, struct desktop_entry *ret)
{
	char lines[8192], *to = lines;
	static const char front[] = "file /run/usher/desktop/" CARD " ";

	to += sprintf(to, "%s", front);
	for (const char *p = text; *p; p++) {
		/* A snapshot adds the last newline itself. */
		if (*p == '\n' && !p[1])
			break;
		to += sprintf(to, *p == '\n' ? "\\n" : "%c", *p);
	}
	(void)sprintf(to, "\n");
	struct host *h = replay_lines(lines);
	const struct bind_env env = env_of(h, "/run/usher");
	int r = desktop_entry_read(&env, (struct pci_address){.bus = 1}, ret, NULL);
	host_close(h);
	return r;
}

START_TEST(comes_back_as_written)
{
	struct desktop_entry n = entry_full(), again;
	char *text = NULL;

	entry_copy(&n, &again, &text);
	ck_assert_int_eq(text_read(text, &again), 0);
	ck_assert_int_eq(again.owner.pid, 1234);
	ck_assert_uint_eq(again.keeper.start, 5679);
	ck_assert_uint_eq(again.vt, 7);
	ck_assert_str_eq(again.consoles[0], n.consoles[0]);
	ck_assert_uint_eq(again.module_count, 2);
	ck_assert_uint_eq(again.unit_count, 2);
	ck_assert_str_eq(again.units[0], "kiosk@1.service");
	ck_assert_str_eq(again.units[1], "gdm.service");
	free(text);
}
END_TEST

/* A restore starts units and loads modules by an entry, so nothing else may get into one. */
START_TEST(refuses_other_texts)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{"usher-desktop 1", "usher-desktop 2"},
		{CARD, "0000:02:00.0"},
		{"unit gdm.service", "unit --force"},
		{"unit gdm.service", "unit ../gdm"},
		{"unit gdm.service", "unit "},
		{"module nvidia_drm", "module -r"},
		{"module nvidia_drm", "module a/b"},
		{"vt 7", "vt 07"},
		{"end\n", ""},
		{"end\n", "end\nend\n"},
		{"vt 7\n", "vt 7\n\n"},
	};
	struct desktop_entry n = entry_full(), again;
	char *text = NULL;

	entry_copy(&n, &again, &text);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char other[4096];
		const char *at = strstr(text, rows[i].from);
		ck_assert_ptr_nonnull(at);
		(void)snprintf(other, sizeof(other), "%.*s%s%s", (int)(at - text), text, rows[i].to,
			at + strlen(rows[i].from));
		ck_assert_msg(text_read(other, &again) == -EBADMSG, "%s", rows[i].to);
	}
	free(text);
}
END_TEST

static enum bind_lease_state state_of(const struct desktop_entry *n, const char *processes)
{
	char text[160];

	struct host *h = replay_lines(processes);
	const struct bind_env env = env_of(h, "/run/usher");
	enum bind_lease_state s = desktop_entry_judge(&env, n, BOOT, text, sizeof(text));
	host_close(h);
	return s;
}

#define STAT(pid, state, start)                          \
	"file /proc/" pid "/stat " pid " (usher) " state \
	" 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 " start " 0 0\n"

/* Either of the two processes brings the desktop back; after a boot there is nothing to bring. */
START_TEST(lives_as_long_as_one_process)
{
	struct desktop_entry n = entry_full();

	ck_assert_int_eq(state_of(&n, STAT("1234", "S", "5678")), BIND_LEASE_LIVE);
	ck_assert_int_eq(state_of(&n, STAT("1235", "S", "5679")), BIND_LEASE_LIVE);
	ck_assert_int_eq(state_of(&n, STAT("1234", "S", "1")), BIND_LEASE_BROKEN);
	ck_assert_int_eq(state_of(&n, STAT("1234", "Z", "5678")), BIND_LEASE_BROKEN);
	ck_assert_int_eq(state_of(&n, ""), BIND_LEASE_BROKEN);
	n.boot[0] = '9';
	ck_assert_int_eq(state_of(&n, STAT("1234", "S", "5678")), BIND_LEASE_VOID);
}
END_TEST

SUITE("desktop entry", comes_back_as_written, refuses_other_texts, lives_as_long_as_one_process)
