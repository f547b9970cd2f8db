/* SPDX-License-Identifier: MIT */
#include "vmm/stats/figures.h"

#include <assert.h>
#include <inttypes.h>

static void indent_line(struct figures *f)
{
	(void)fprintf(f->out, "%s\n%*s", f->first ? "" : ",", (int)(2 * (f->depth + 1)), "");
	f->first = false;
}

/* Escapes all but printable ASCII as \u00NN, since a text may quote a path. */
static void put_json_text(FILE *out, const char *text)
{
	(void)fputc('"', out);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			(void)fprintf(out, "\\%c", *c);
		else if (*c < 0x20 || *c > 0x7e)
			(void)fprintf(out, "\\u%04x", *c);
		else
			(void)fputc(*c, out);
	}
	(void)fputc('"', out);
}

static void put_word(FILE *out, const char *text)
{
	for (; *text; text++)
		(void)fputc(*text == ' ' ? '_' : *text, out);
}

/* Writes what precedes a value, in either form. */
static void put_name(struct figures *f, const char *name)
{
	if (f->json) {
		indent_line(f);
		put_json_text(f->out, name);
		(void)fputs(": ", f->out);
		return;
	}
	(void)fputs("stats: ", f->out);
	for (unsigned i = 0; i < f->depth; i++) {
		put_word(f->out, f->path[i]);
		(void)fputc('.', f->out);
	}
	put_word(f->out, name);
	(void)fputc(' ', f->out);
}

void figures_begin(struct figures *f, FILE *out, bool json)
{
	*f = (struct figures){.out = out, .json = json, .first = true};
	if (json)
		(void)fputc('{', out);
}

void figures_end(struct figures *f)
{
	if (f->json)
		(void)fputs("\n}\n", f->out);
}

void figures_open(struct figures *f, const char *name)
{
	assert(f->depth < FIGURES_DEPTH);
	if (f->json) {
		put_name(f, name);
		(void)fputc('{', f->out);
	}
	f->path[f->depth++] = name;
	f->first = true;
}

void figures_close(struct figures *f)
{
	f->depth--;
	if (f->json && f->first)
		(void)fputc('}', f->out);
	else if (f->json)
		(void)fprintf(f->out, "\n%*s}", (int)(2 * (f->depth + 1)), "");
	f->first = false;
}

void figures_number(struct figures *f, const char *name, uint64_t v)
{
	put_name(f, name);
	(void)fprintf(f->out, "%" PRIu64 "%s", v, f->json ? "" : "\n");
}

void figures_text(struct figures *f, const char *name, const char *v)
{
	put_name(f, name);
	if (f->json)
		put_json_text(f->out, v);
	else
		(void)fprintf(f->out, "%s\n", v);
}
