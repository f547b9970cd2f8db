/* SPDX-License-Identifier: MIT */
#include "view/table.h"

#include "base/err.h"
#include "base/file.h"
#include "base/load.h"
#include "base/num.h"
#include "view/wrap.h"

#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct table {
	struct libscols_table *scols;
	struct libscols_line *row;
	size_t wrapped; /* the column with TABLE_WRAP */
	unsigned room; /* its width; 0: its lines are not broken */
	int failed;
};

static struct {
	__typeof__(scols_new_table) *new_table;
	__typeof__(scols_unref_table) *unref_table;
	__typeof__(scols_table_new_column) *new_column;
	__typeof__(scols_column_set_safechars) *set_safe;
	__typeof__(scols_column_set_wrapfunc) *set_wrap;
	__typeof__(scols_wrapnl_chunksize) *chunk_size;
	__typeof__(scols_wrapnl_nextchunk) *next_chunk;
	__typeof__(scols_table_new_line) *new_line;
	__typeof__(scols_table_enable_colors) *enable_colors;
	__typeof__(scols_table_enable_minout) *enable_minout;
	__typeof__(scols_table_set_termforce) *set_force;
	__typeof__(scols_table_set_termwidth) *set_width;
	__typeof__(scols_line_get_cell) *get_cell;
	__typeof__(scols_cell_set_data) *set_data;
	__typeof__(scols_cell_set_color) *set_color;
	__typeof__(scols_print_table) *print;
} lib;

static int load_smartcols(struct err *e)
{
	static const struct load_symbol symbols[] = {
		{"scols_new_table", &lib.new_table},
		{"scols_unref_table", &lib.unref_table},
		{"scols_table_new_column", &lib.new_column},
		{"scols_column_set_safechars", &lib.set_safe},
		{"scols_column_set_wrapfunc", &lib.set_wrap},
		{"scols_wrapnl_chunksize", &lib.chunk_size},
		{"scols_wrapnl_nextchunk", &lib.next_chunk},
		{"scols_table_new_line", &lib.new_line},
		{"scols_table_enable_colors", &lib.enable_colors},
		{"scols_table_enable_minout", &lib.enable_minout},
		{"scols_table_set_termforce", &lib.set_force},
		{"scols_table_set_termwidth", &lib.set_width},
		{"scols_line_get_cell", &lib.get_cell},
		{"scols_cell_set_data", &lib.set_data},
		{"scols_cell_set_color", &lib.set_color},
		{"scols_print_table", &lib.print},
	};

	return load_library("libsmartcols.so.1", "libsmartcols1", symbols, COUNT(symbols), e);
}

bool table_wants_colour(void)
{
	const char *none = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(none && *none) && term && *term &&
	       strcmp(term, "dumb") != 0;
}

static void add_column(struct table *t, const struct table_column *x, size_t at)
{
	int flags = 0;

	flags |= x->how & TABLE_RIGHT ? SCOLS_FL_RIGHT : 0;
	flags |= x->how & TABLE_SHRINK ? SCOLS_FL_TRUNC : 0;
	flags |= x->how & TABLE_WRAP ? SCOLS_FL_WRAP : 0;
	flags |= x->how & TABLE_TREE ? SCOLS_FL_TREE : 0;
	struct libscols_column *c = lib.new_column(t->scols, x->name, 1, flags);
	/* libsmartcols would escape the backslash of escaped text, and our line breaks. */
	if (!c || lib.set_safe(c, x->how & TABLE_WRAP ? "\\\n" : "\\") < 0) {
		t->failed = -ENOMEM;
		return;
	}
	if (!(x->how & TABLE_WRAP))
		return;
	t->wrapped = at;
	if (lib.set_wrap(c, lib.chunk_size, lib.next_chunk, NULL) < 0)
		t->failed = -ENOMEM;
}

int table_new(const struct table_column *columns, size_t count, struct table **ret, struct err *e)
{
	unsigned width = wrap_width();

	int r = load_smartcols(e);
	if (r < 0)
		return r;
	struct table *t = calloc(1, sizeof(*t));
	if (t)
		t->scols = lib.new_table();
	if (!t || !t->scols) {
		free(t);
		return err_set(e, -ENOMEM, "make a table");
	}
	t->wrapped = SIZE_MAX;
	for (size_t i = 0; i < count; i++)
		add_column(t, &columns[i], i);
	(void)lib.enable_colors(t->scols, table_wants_colour());
	(void)lib.enable_minout(t->scols, 1); /* no blanks at the end of a line */
	/* libsmartcols cuts everything on a terminal that does not say how wide it is. */
	(void)lib.set_force(t->scols, width ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
	(void)lib.set_width(t->scols, width);
	*ret = t;
	return 0;
}

void table_wrap(struct table *t, unsigned room)
{
	t->room = room;
}

/* Breaks lines at blanks; libsmartcols by itself would break words. */
static void break_lines(char *text, unsigned room)
{
	char *line = text;

	while (strlen(line) > room) {
		char *end = line + room;

		while (end > line && *end != ' ')
			end--;
		if (end == line)
			end = strchr(line, ' ');
		if (!end)
			return;
		*end = '\n';
		line = end + 1;
	}
}

void *table_row(struct table *t, void *parent)
{
	t->row = lib.new_line(t->scols, parent);
	if (!t->row)
		t->failed = -ENOMEM;
	return t->row;
}

void table_set(struct table *t, size_t column, const char *text, enum table_colour colour)
{
	static const char *const colours[] = {
		[TABLE_GOOD] = "green",
		[TABLE_BAD] = "red",
		/* "darkgray" is bold black, which is invisible on a black background. */
		[TABLE_DIM] = "\033[2m",
		[TABLE_BOLD] = "bold",
	};
	char safe[1024];

	struct libscols_cell *cell = t->row ? lib.get_cell(t->row, column) : NULL;
	file_escape(safe, sizeof(safe), text);
	if (column == t->wrapped && t->room)
		break_lines(safe, t->room);
	if (!cell || lib.set_data(cell, safe) < 0 ||
		(colour != TABLE_PLAIN && lib.set_color(cell, colours[colour]) < 0))
		t->failed = -ENOMEM;
}

int table_print(struct table *t, struct err *e)
{
	int r = t->failed ? t->failed : lib.print(t->scols);

	return r < 0 ? err_set(e, r, "print a table") : 0;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	lib.unref_table(t->scols);
	free(t);
}
