/* SPDX-License-Identifier: MIT */
#include "vmm/stats/figures.h"

#include "suite.h"

#include <stdlib.h>

static char *told(bool json)
{
	struct figures f;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	figures_begin(&f, out, json);
	figures_number(&f, "version", 1);
	figures_text(&f, "why", json ? "said \"no\"\n" : "said \"no\"");
	figures_open(&f, "devices");
	figures_open(&f, "0000:01:00.0");
	figures_number(&f, "BAR 0", UINT64_MAX);
	figures_number(&f, "BAR 2", 0);
	figures_close(&f);
	figures_open(&f, "none");
	figures_close(&f);
	figures_close(&f);
	figures_number(&f, "last", 2);
	figures_end(&f);
	(void)fclose(out);
	return text;
}

START_TEST(lines_for_people)
{
	char *text = told(false);

	ck_assert_str_eq(text, "stats: version 1\n"
			       "stats: why said \"no\"\n"
			       "stats: devices.0000:01:00.0.BAR_0 18446744073709551615\n"
			       "stats: devices.0000:01:00.0.BAR_2 0\n"
			       "stats: last 2\n");
	free(text);
}
END_TEST

START_TEST(an_object_for_programs)
{
	char *text = told(true);

	ck_assert_str_eq(text, "{\n"
			       "  \"version\": 1,\n"
			       "  \"why\": \"said \\\"no\\\"\\u000a\",\n"
			       "  \"devices\": {\n"
			       "    \"0000:01:00.0\": {\n"
			       "      \"BAR 0\": 18446744073709551615,\n"
			       "      \"BAR 2\": 0\n"
			       "    },\n"
			       "    \"none\": {}\n"
			       "  },\n"
			       "  \"last\": 2\n"
			       "}\n");
	free(text);
}
END_TEST

SUITE("figures", lines_for_people, an_object_for_programs)
