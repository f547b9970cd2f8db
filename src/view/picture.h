/* SPDX-License-Identifier: MIT */
#ifndef VIEW_PICTURE_H
#define VIEW_PICTURE_H

struct column_view;
struct err;
struct tree;

/*
 * A picture of the topology (a tree of TREE_BRIDGES) on standard output: what hangs below what,
 * and IOMMU groups as boxes around their members. What a device or a process may have put into a
 * text is escaped for the form.
 */
void picture_dot(const struct tree *t, const struct column_view *v); /* for Graphviz */

/* Return: 0, -ENOMEM. */
int picture_svg(const struct tree *t, const struct column_view *v, struct err *e);

#endif
