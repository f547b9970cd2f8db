/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/file.h"
#include "claim/claim.h"
#include "claim/rule.h"
#include "cli/change.h"
#include "cli/operand.h"
#include "cli/option.h"
#include "cli/report.h"
#include "host/host.h"
#include "pci/vfs.h"
#include "view/word.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The claims of this host, with where their devices are. */
struct unclaiming {
	struct claim *claims;
	struct claim_judgement *judgements;
	size_t count;
	bool *meant; /* which of them are to be removed */
};

/* True if the claim's device is at this address now, or was there when it was claimed. */
static bool is_claim_of(
	const struct claim *c, const struct claim_judgement *s, struct pci_address a)
{
	return s->standing == CLAIM_STANDING_AT ? pci_address_equal(a, s->device.address)
						: !c->bad[0] && pci_address_equal(a, c->address);
}

static bool is_unknown(const char *word)
{
	struct word_devices found;
	struct pci_address a;

	return pci_address_parse(word, &a) < 0 &&
	       word_find(host_live(), word, &found, NULL) == -ENODEV;
}

static int report_unclaimed(struct err *e)
{
	err_hint(e, "'usher claims' lists what is claimed");
	report(e);
	return LEAVE_FAILED;
}

/* The name of a claim, before anything else; or a device. Return: 0, an exit status. */
static int unclaim_word(const struct verb *v, struct unclaiming *u, const char *word)
{
	struct pci_address a;
	bool found = false;
	char name[128];
	struct err e = {0};

	for (size_t i = 0; i < u->count; i++)
		if (strcmp(u->claims[i].name, word) == 0) {
			u->meant[i] = true;
			return 0;
		}
	if (is_unknown(word)) {
		file_escape(name, sizeof(name), word);
		err_say(&e, -ENOENT, "%s: is neither a claim nor a device", name);
		return report_unclaimed(&e);
	}
	int r = operand_one(v, host_live(), word, &a);
	if (r)
		return r;
	for (size_t i = 0; i < u->count; i++)
		if (is_claim_of(&u->claims[i], &u->judgements[i], a))
			found = u->meant[i] = true;
	if (found)
		return 0;
	err_say(&e, -ENOENT, "%s: is not claimed", pci_address_format(a, name));
	return report_unclaimed(&e);
}

static void tell_functions_stay(const struct pci_device *d)
{
	char address[PCI_ADDRESS_TEXT];

	if (pci_vfs_read(host_live(), d->address).active)
		report_note("%s: keeps its virtual functions until then; to remove them now: "
			    "usher vfs %s 0",
			pci_address_format(d->address, address), address);
}

static int unclaim_meant(const struct unclaiming *u, struct err *e)
{
	char address[PCI_ADDRESS_TEXT];

	for (size_t i = 0; i < u->count; i++) {
		const struct claim *c = &u->claims[i];
		const struct claim_judgement *s = &u->judgements[i];
		bool is_at = s->standing == CLAIM_STANDING_AT;

		if (!u->meant[i])
			continue;
		int r = claim_remove(CLAIMS_DIR, c, e);
		if (r < 0)
			return r;
		pci_address_format(is_at ? s->device.address : c->address, address);
		(void)printf("%s: claim %s is gone, from the next boot on\n",
			c->bad[0] ? c->name : address, c->name);
		if (c->vfs && is_at)
			tell_functions_stay(&s->device);
	}
	return 0;
}

/* All words are resolved before the first claim is removed. */
static int unclaim_words(const struct verb *v, struct unclaiming *u, int count, char **words)
{
	struct err e = {0}, why = {0};

	u->meant = calloc(u->count + 1, sizeof(*u->meant));
	if (!u->meant) {
		(void)err_set(&e, -ENOMEM, "unclaim");
		report(&e);
		return LEAVE_FAILED;
	}
	for (int i = 0; i < count; i++) {
		int leave = unclaim_word(v, u, words[i]);
		if (leave)
			return leave;
	}
	change_begin();
	int r = unclaim_meant(u, &e);
	if (r < 0)
		report(&e);
	/* What is left decides about the rule, also after a failure. */
	int written = claim_rule_write(host_live(), CLAIMS_DIR, CLAIM_RULE_PATH, &why);
	if (written < 0 && r == 0)
		report(&why);
	return r < 0 || written < 0 ? LEAVE_FAILED : LEAVE_OK;
}

static int run_unclaim(const struct verb *v, int argc, char **argv)
{
	struct unclaiming u = {0};
	struct options o = {.verb = v, .argc = argc, .argv = argv};
	struct err e = {0};

	int r = option_next(&o);
	if (r != OPTION_END)
		return option_leave(r);
	if (optind == argc)
		return option_wrong(v, "no device given");
	r = claim_list(host_live(), CLAIMS_DIR, &u.claims, &u.count, &e);
	if (r == 0)
		r = claim_judge(host_live(), u.claims, u.count, &u.judgements, &e);
	if (r < 0)
		report(&e);
	int leave = r < 0 ? LEAVE_FAILED : unclaim_words(v, &u, argc - optind, argv + optind);
	free(u.claims);
	free(u.judgements);
	free(u.meant);
	return leave;
}

const struct verb verb_unclaim = {
	.name = "unclaim",
	.summary = "remove claims",
	.help = "unclaim DEVICE|NAME…\n"
		"\n"
		"Removes the claims of devices, or claims by their name ('usher claims' lists\n"
		"them). The original driver gets the device at the next boot; until then the\n"
		"device stays where it is. 'usher release' returns it now.\n"
		"\n"
		"Example:\n"
		"\n"
		"  usher unclaim 0000:03:00.0\n",
	.run = run_unclaim,
};
