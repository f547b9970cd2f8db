/* SPDX-License-Identifier: MIT */
#include "claim/rule.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char head[] = "# Made by usher from " CLAIMS_DIR "; 'usher apply' makes it anew.\n"
			   "# The kernel argument usher=off switches it off.\n"
			   "ACTION!=\"add\", GOTO=\"usher_end\"\n"
			   "SUBSYSTEM!=\"pci\", GOTO=\"usher_end\"\n"
			   "IMPORT{cmdline}=\"usher\"\n"
			   "ENV{usher}==\"off\", GOTO=\"usher_end\"\n";

static const char foot[] = "\nLABEL=\"usher_end\"\n";

/*
 * The serial number is no attribute, and a virtual function may have its parent's ids: the first
 * is left to `usher apply`, the link shows the second.
 */
static int put_claim(FILE *f, const struct claim *c)
{
	const struct claim_identity *n = &c->identity;
	char pattern[CLAIM_PATH_MAX * 3], address[PCI_ADDRESS_TEXT];

	int r = claim_path_pattern(n->path, pattern, sizeof(pattern));
	if (r < 0)
		return r;
	(void)fprintf(f, "\n# %s\n", pci_address_format(c->address, address));
	(void)fprintf(f,
		"DEVPATH==\"%s\", ATTR{vendor}==\"0x%04x\", ATTR{device}==\"0x%04x\", \\\n",
		pattern, n->vendor, n->device);
	(void)fprintf(f,
		"  ATTR{subsystem_vendor}==\"0x%04x\", ATTR{subsystem_device}==\"0x%04x\", \\\n",
		n->subvendor, n->subdevice);
	(void)fprintf(f, "  TEST!=\"physfn\", ATTR{driver_override}=\"%s\"\n",
		c->driver[0] ? c->driver : "vfio-pci");
	return 0;
}

/*
 * A device whose virtual functions are claimed keeps its driver, which makes them. They do not
 * exist before usher asks for them, with host drivers off: no rule has to keep these away.
 */
static bool has_rule(const struct claim *c)
{
	return !c->bad[0] && !c->vfs;
}

int claim_rule_format(const struct claim *claims, size_t count, char **ret)
{
	size_t good = 0;
	struct text t;
	int r = 0;

	for (size_t i = 0; i < count; i++)
		good += has_rule(&claims[i]);
	if (!good)
		return 0;
	if (text_begin(&t) < 0)
		return -ENOMEM;
	(void)fputs(head, t.out);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (has_rule(&claims[i]))
			r = put_claim(t.out, &claims[i]);
	(void)fputs(foot, t.out);
	cleanup_free char *text = NULL;
	int len = text_end(&t, &text);
	if (r < 0 || len < 0)
		return r < 0 ? r : len;
	*ret = TAKE_PTR(text);
	return len;
}

static int write_rule(const char *path, const char *text, size_t len)
{
	char folder[FILE_PATH_MAX];

	int r = file_path(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	if (r == 0)
		r = file_mkdirs(folder, 0755);
	return r < 0 ? r : file_replace(path, text, len, 0644);
}

int claim_rule_write(struct host *h, const char *folder, const char *path, struct err *e)
{
	cleanup_free struct claim *claims = NULL;
	size_t count = 0;

	int r = claim_list(h, folder, &claims, &count, e);
	if (r < 0)
		return r;
	cleanup_free char *text = NULL;
	int len = claim_rule_format(claims, count, &text);
	if (len > 0)
		r = write_rule(path, text, (size_t)len);
	else if (len == 0)
		r = unlink(path) < 0 && errno != ENOENT ? -errno : 0;
	else
		r = len;
	return r < 0 ? err_set(e, r, "write %s", path) : 0;
}
