/* SPDX-License-Identifier: MIT */
#include "base/num.h"
#include "bind/owner.h"
#include "cli/lease.h"
#include "cli/option.h"
#include "engine/spec.h"
#include "lease/lease.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LEASE_FOR_MAX_S (366U * 86400U)

int lease_time_parse(const char *text, uint64_t *ret)
{
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char number[16];
	uint64_t n, factor = 1;
	size_t len = strlen(text);

	if (!len || len >= sizeof(number))
		return -EINVAL;
	for (size_t i = 0; i < COUNT(units); i++)
		if (text[len - 1] == units[i].letter) {
			factor = units[i].seconds;
			len--;
			break;
		}
	(void)snprintf(number, sizeof(number), "%.*s", (int)len, text);
	if (num_parse(number, 10, LEASE_FOR_MAX_S, &n) < 0 || !n || n > LEASE_FOR_MAX_S / factor)
		return -EINVAL;
	*ret = n * factor;
	return 0;
}

/* A key is the name of its lease, and of a folder. */
int lease_key_check(const struct verb *v, const char *text)
{
	if (strlen(text) >= SPEC_NAME_MAX)
		return option_wrong(
			v, "--key: '%s' is longer than %d characters", text, SPEC_NAME_MAX - 1);
	if (!text[0] || text[0] == '.' || !bind_name_ok(text))
		return option_wrong(
			v, "--key: '%s' is none: letters, digits, '-', '_', '.' and '+'", text);
	return 0;
}

int lease_key_check_own(const struct verb *v, const char *text)
{
	if (strchr(text, '+'))
		return option_wrong(v,
			"--key: '%s' has a '+', which is between a user's number and the key",
			text);
	if (strlen(text) > LEASE_KEY_USER_MAX)
		return option_wrong(
			v, "--key: '%s' is longer than %d characters", text, LEASE_KEY_USER_MAX);
	return 0;
}
