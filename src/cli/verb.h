/* SPDX-License-Identifier: MIT */
#ifndef CLI_VERB_H
#define CLI_VERB_H

/*
 * A verb. src/cli/NAME.c defines `const struct verb verb_NAME`. A new verb is declared here and
 * added to the table in verbs.c and to meson.build.
 */
struct verb {
	const char *name;
	const char *summary; /* one line of `usher --help` */
	/*
	 * The text of `usher VERB --help` after "usage: usher ": operands and options, a
	 * description, the options indented by two blanks, at least one example.
	 */
	const char *help;
	int (*run)(const struct verb *v, int argc, char **argv); /* argv[0]: the verb; enum leave */
	int failed; /* its status for LEAVE_FAILED; 0: LEAVE_FAILED */
};

/* The exit status of every verb. `run` and `exec` add 125 and the child's own. */
enum leave {
	LEAVE_OK = 0,
	LEAVE_FAILED = 1,
	LEAVE_USAGE = 2, /* the command line is wrong */
	LEAVE_REFUSED = 3, /* refused: in use, or unsafe */
};

extern const struct verb verb_list;
extern const struct verb verb_show;
extern const struct verb verb_snapshot;
extern const struct verb verb_prove;
extern const struct verb verb_check;
extern const struct verb verb_rom;
extern const struct verb verb_bind;
extern const struct verb verb_release;
extern const struct verb verb_restore;
extern const struct verb verb_vfs;
extern const struct verb verb_revive;
extern const struct verb verb_attach;
extern const struct verb verb_detach;
extern const struct verb verb_xml;
extern const struct verb verb_guide;
extern const struct verb verb_guests;
extern const struct verb verb_claim;
extern const struct verb verb_unclaim;
extern const struct verb verb_claims;
extern const struct verb verb_apply;
extern const struct verb verb_image;
extern const struct verb verb_run;
extern const struct verb verb_start;
extern const struct verb verb_edit;
extern const struct verb verb_exec;
extern const struct verb verb_lease;
extern const struct verb verb_leases;
extern const struct verb verb_revoke;
extern const struct verb verb_ps;
extern const struct verb verb_stop;
extern const struct verb verb_console;
extern const struct verb verb_stat;
extern const struct verb verb_control;
extern const struct verb verb_monitor;
extern const struct verb verb_metrics;
extern const struct verb verb_compat;
extern const struct verb verb_help;

/* In the order in which a device walks through them, without `help`; NULL after the last. */
const struct verb *verb_at(unsigned i);

/* Return: NULL when there is no verb @name in the table. */
const struct verb *verb_find(const char *name);

#endif
