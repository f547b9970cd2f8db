/* SPDX-License-Identifier: MIT */
#include "view/table.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "view/load.h"

#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct table {
	struct libscols_table *scols;
	struct libscols_line *row;
	int failed;
};

static struct {
	__typeof__(scols_new_table) *new_table;
	__typeof__(scols_unref_table) *unref_table;
	__typeof__(scols_table_new_column) *new_column;
	__typeof__(scols_column_set_safechars) *set_safe;
	__typeof__(scols_table_new_line) *new_line;
	__typeof__(scols_table_enable_colors) *enable_colors;
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
		{"scols_table_new_line", &lib.new_line},
		{"scols_table_enable_colors", &lib.enable_colors},
		{"scols_line_get_cell", &lib.get_cell},
		{"scols_cell_set_data", &lib.set_data},
		{"scols_cell_set_color", &lib.set_color},
		{"scols_print_table", &lib.print},
	};

	return load_library("libsmartcols.so.1", "libsmartcols1", symbols, COUNT(symbols), e);
}

static bool wants_colour(void)
{
	const char *none = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(none && *none) && term && strcmp(term, "dumb") != 0;
}

int table_new(const struct table_column *columns, size_t count, struct table **ret, struct err *e)
{
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
	for (size_t i = 0; i < count; i++) {
		int flags = 0;

		flags |= columns[i].how & TABLE_RIGHT ? SCOLS_FL_RIGHT : 0;
		flags |= columns[i].how & TABLE_SHRINK ? SCOLS_FL_TRUNC : 0;
		flags |= columns[i].how & TABLE_TREE ? SCOLS_FL_TREE : 0;
		struct libscols_column *c = lib.new_column(t->scols, columns[i].name, 1, flags);
		/* libsmartcols would escape the backslash of escaped text again. */
		if (!c || lib.set_safe(c, "\\") < 0)
			t->failed = -ENOMEM;
	}
	(void)lib.enable_colors(t->scols, wants_colour());
	*ret = t;
	return 0;
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
		[TABLE_DIM] = "darkgray",
		[TABLE_BOLD] = "bold",
	};
	char safe[1024];

	struct libscols_cell *cell = t->row ? lib.get_cell(t->row, column) : NULL;
	file_escape(safe, sizeof(safe), text);
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
