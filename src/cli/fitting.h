/* SPDX-License-Identifier: MIT */
#ifndef CLI_FITTING_H
#define CLI_FITTING_H

struct fit_layout;
struct fit_name;
struct guest_spec;
struct json;

/* What a plan shows of how a guest fits on the host. @l: NULL: the engine lays it out itself. */
void fitting_put_layout(struct json *doc, const struct fit_layout *l);
void fitting_put_checked(struct json *doc, const struct fit_name *names);
void fitting_print_layout(const struct fit_layout *l);
void fitting_print_checked(const struct fit_name *names);

/* Devices that the caller has opened, which are in no group of the plan. */
void fitting_put_handed(struct json *guest, const struct guest_spec *s);
void fitting_print_handed(const struct guest_spec *s);

#endif
