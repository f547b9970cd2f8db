/* SPDX-License-Identifier: MIT */
#include "view/wrap.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_MIN 40 /* a smaller width leaves no room after the indent */

unsigned wrap_width(void)
{
	struct winsize w;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

/* The length of the word at @text; a short command in quotes counts as one word. */
static size_t word_length(const char *text)
{
	const char *end = *text == '\'' ? strchr(text + 1, '\'') : NULL;
	size_t n = end && end - text < WIDTH_MIN ? (size_t)(end - text) : 0;

	return n + strcspn(text + n, " ");
}

void wrap_put(FILE *f, unsigned width, unsigned hang, const char *text)
{
	size_t column = 0, words = 0; /* of the line */

	if (width < WIDTH_MIN)
		width = 0;
	while (*text) {
		size_t blanks = strspn(text, " ");
		size_t word = word_length(text + blanks);

		if (width && word && words && column + blanks + word > width) {
			(void)fprintf(f, "\n%*s", (int)hang, "");
			column = hang;
			words = 0;
			text += blanks;
			blanks = 0;
		}
		(void)fwrite(text, 1, blanks + word, f);
		column += blanks + word;
		words++;
		text += blanks + word;
	}
	(void)fputc('\n', f);
}
