/* SPDX-License-Identifier: MIT */
/*
 * Names of devices: pci:ADDRESS[,vf_token=UUID], fd:CONTAINER,[GROUP|none,]DEVICE, model:NAME[,…].
 */
#include "base/num.h"
#include "base/usher_err.h"
#include "lib/device.h"
#include "pci/address.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define TOKEN_KEY "vf_token="
#define TOKEN_LEN 36 /* 8-4-4-4-12 hexadecimal digits */

static int refuse_uri(const char *uri, struct usher_err *e)
{
	(void)err_say(err_from_usher(e), -EINVAL, "'%.120s' is not the URI of a device", uri);
	err_hint(err_from_usher(e), "pci:0000:01:00.0, fd:CONTAINER,DEVICE or model:NAME");
	return -EINVAL;
}

static bool is_token(const char *text)
{
	return strlen(text) == TOKEN_LEN && strspn(text, "0123456789abcdefABCDEF-") == TOKEN_LEN;
}

/* The kernel takes "0000:01:00.0 vf_token=UUID". */
static int parse_pci(const char *text, struct device_uri *ret)
{
	char address[32], form[PCI_ADDRESS_TEXT];
	size_t len = strcspn(text, ",");
	struct pci_address a;

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	if (pci_address_parse(address, &a) < 0)
		return -EINVAL;
	(void)snprintf(ret->name, sizeof(ret->name), "%s", pci_address_format(a, form));
	if (!text[len])
		return 0;
	const char *token = text + len + 1;
	if (strncmp(token, TOKEN_KEY, strlen(TOKEN_KEY)) != 0 ||
		!is_token(token + strlen(TOKEN_KEY)))
		return -EINVAL;
	size_t used = strlen(ret->name);
	(void)snprintf(ret->name + used, sizeof(ret->name) - used, " %s", token);
	return 0;
}

static int parse_number(const char *text, int *ret)
{
	uint64_t n;

	if (strcmp(text, "none") == 0) {
		*ret = -1;
		return 0;
	}
	if (num_parse(text, 10, INT_MAX, &n) < 0)
		return -EINVAL;
	*ret = (int)n;
	return 0;
}

static int parse_fds(const char *text, struct device_uri *ret)
{
	char copy[64], *save = NULL;
	int fds[3], count = 0;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, strlen(text) + 1);
	for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save))
		if (count == 3 || parse_number(word, &fds[count++]) < 0)
			return -EINVAL;
	if (count < 2 || fds[0] < 0 || fds[count - 1] < 0)
		return -EINVAL;
	ret->container = fds[0];
	ret->group = count == 3 ? fds[1] : -1;
	ret->device = fds[count - 1];
	(void)snprintf(ret->name, sizeof(ret->name), "fd:%d", ret->device);
	return 0;
}

static int parse_model(const char *text, struct device_uri *ret)
{
	size_t len = strcspn(text, ",");

	if (!len || len >= sizeof(ret->name) || strlen(text) - len >= sizeof(ret->arguments))
		return -EINVAL;
	memcpy(ret->name, text, len);
	ret->name[len] = '\0';
	(void)snprintf(
		ret->arguments, sizeof(ret->arguments), "%s", text[len] ? text + len + 1 : "");
	return 0;
}

int device_uri_parse(const char *uri, struct device_uri *ret, struct usher_err *e)
{
	static const struct {
		const char *scheme;
		int (*parse)(const char *text, struct device_uri *ret);
	} schemes[] = {
		[URI_PCI] = {"pci:", parse_pci},
		[URI_FD] = {"fd:", parse_fds},
		[URI_MODEL] = {"model:", parse_model},
	};

	for (size_t i = 0; i < COUNT(schemes); i++) {
		size_t len = strlen(schemes[i].scheme);
		if (strncmp(uri, schemes[i].scheme, len) != 0)
			continue;
		memset(ret, 0, sizeof(*ret));
		ret->kind = (int)i;
		return schemes[i].parse(uri + len, ret) < 0 ? refuse_uri(uri, e) : 0;
	}
	return refuse_uri(uri, e);
}
