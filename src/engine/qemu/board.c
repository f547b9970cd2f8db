/* SPDX-License-Identifier: MIT */
#include "engine/qemu/board.h"

#include "base/num.h"

#include <stdio.h>
#include <string.h>

/* QEMU takes each of its options with one dash or two. */
static bool is_option(const char *word, const char *option)
{
	word += word[0] == '-' && word[1] == '-';
	return strcmp(word, option) == 0;
}

const char *qemu_own_word(const struct guest_spec *s, const char *option)
{
	const char *found = NULL;

	for (char *const *a = s->engine_args; a && *a; a++)
		if (is_option(*a, option))
			found = a[1] ? a[1] : "";
	return found;
}

bool qemu_board_is_ours(const struct guest_spec *s)
{
	return !qemu_own_word(s, "-machine") && !qemu_own_word(s, "-M");
}

bool qemu_board_is_callers(const struct guest_spec *s)
{
	return !qemu_board_is_ours(s);
}

/* A file's name with a colon may be the address of a server. */
static bool word_is_local(const char *word, const char *value)
{
	static const char *const local[] = {"-cpu", "-rtc", "-smbios", "-uuid", "-boot", "-global",
		"-device", "-m", "-smp", "-machine", "-M", "-nodefaults", "-no-user-config"};

	for (size_t i = 0; i < COUNT(local); i++)
		if (is_option(word, local[i]))
			return true;
	return is_option(word, "-drive") && value && !strchr(value, ':');
}

bool qemu_board_has_network(const struct guest_spec *s)
{
	for (char *const *a = s->engine_args; a && *a; a++)
		if ((*a)[0] == '-' && !word_is_local(*a, a[1]))
			return true;
	return false;
}

bool qemu_board_has_console(const struct guest_spec *s)
{
	return s->console == GUEST_CONSOLE_VIRTIO ||
	       (s->console == GUEST_CONSOLE_SERIAL && (s->has_console || qemu_board_is_ours(s)));
}

/* The size in a user's "-m 4G" or "-m size=4096,…", which is in MiB without a unit. */
static uint64_t own_memory(const char *text)
{
	char size[32];
	uint64_t n;

	if (strncmp(text, "size=", 5) == 0)
		text += 5;
	size_t len = strcspn(text, ",");
	if (len >= sizeof(size))
		return 0;
	(void)snprintf(size, sizeof(size), "%.*s", (int)len, text);
	if (num_parse(size, 10, UINT64_MAX >> 20, &n) == 0)
		return MIB(n);
	return num_parse_size(size, &n) == 0 ? n : 0;
}

/* QEMU uses the last -m, and usher appends --memory. */
uint64_t qemu_board_memory(const struct guest_spec *s)
{
	const char *own = s->has_memory ? NULL : qemu_own_word(s, "-m");
	uint64_t n = own ? own_memory(own) : 0;

	return n ? n : s->memory;
}

/* The processors `host` and `max` have the host's width; phys-bits sets that of others. */
bool qemu_board_is_wide(const struct guest_spec *s)
{
	const char *cpu = qemu_own_word(s, "-cpu");

	if (!cpu)
		return qemu_board_is_ours(s);
	return strncmp(cpu, "host", 4) == 0 || strncmp(cpu, "max", 3) == 0 ||
	       strstr(cpu, "phys-bits");
}
