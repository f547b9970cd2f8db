/* SPDX-License-Identifier: MIT */
#include "cli/boot.h"

#include "base/file.h"
#include "cli/report.h"
#include "engine/defaults.h"
#include "engine/files.h"
#include "view/json.h"

#include <stdio.h>

#define ESCAPED_MAX (4 * SPEC_CMDLINE_MAX + 4)

/* NULL: the guest boots what was named. */
static const struct wire_image *image_of(const struct guest_spec *s)
{
	return s->kernel_from && s->files ? &s->files->boot.found : NULL;
}

/* An image's words may have any byte. Return: NULL if the engine has the default. */
static const char *cmdline_text(const struct guest_spec *s, char buf[ESCAPED_MAX])
{
	char line[SPEC_CMDLINE_MAX + 1];

	if (!image_of(s))
		return s->cmdline;
	if (defaults_cmdline(s, s->files, line, sizeof(line), NULL) < 0)
		return NULL;
	file_escape(buf, ESCAPED_MAX, line);
	return buf;
}

void boot_tell(const struct guest_spec *s)
{
	const struct wire_image *m = image_of(s);

	if (!m)
		return;
	report_note("the kernel is '%s' of '%s'%s%s%s%s%s", m->kernel, s->kernel_from,
		m->source[0] ? ", as in its " : "", m->source, m->title[0] ? " ('" : "", m->title,
		m->title[0] ? "')" : "");
	if (m->unclean)
		report_note("the file system with the kernel was not unmounted: a kernel that was "
			    "installed last may be missing");
}

void boot_print(const struct guest_spec *s)
{
	const struct wire_image *m = image_of(s);
	const char *kernel = m ? m->kernel : s->kernel, *initrd = m ? m->initrd : s->initrd;
	char escaped[ESCAPED_MAX];
	const char *cmdline = cmdline_text(s, escaped);

	if (kernel)
		(void)printf("kernel: %s%s%s\n", kernel, m ? " of " : "", m ? s->kernel_from : "");
	if (initrd && initrd[0])
		(void)printf("initrd: %s\n", initrd);
	if (cmdline)
		(void)printf("cmdline: %s\n", cmdline);
}

void boot_put(struct json *guest, const struct guest_spec *s)
{
	const struct wire_image *m = image_of(s);
	char escaped[ESCAPED_MAX];

	json_put_text(guest, "kernel", m ? m->kernel : s->kernel);
	json_put_text(guest, "kernel_from", m ? s->kernel_from : NULL);
	json_put_text(guest, "initrd", !m ? s->initrd : m->initrd[0] ? m->initrd : NULL);
	json_put_text(guest, "cmdline", cmdline_text(s, escaped));
}
