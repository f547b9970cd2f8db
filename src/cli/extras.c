/* SPDX-License-Identifier: MIT */
#include "cli/extras.h"

#include "base/err.h"
#include "cli/option.h"
#include "cli/report.h"
#include "engine/display.h"
#include "engine/firmware.h"
#include "engine/usb.h"
#include "view/json.h"

#include <stdio.h>

int extras_take_firmware(struct guest_spec *s, const struct verb *v, const char *text)
{
	if (firmware_parse(text, &s->firmware) == 0)
		return 0;
	return option_wrong(v, "--firmware: '%s' is none of none, bios, uefi, uefi-secure", text);
}

int extras_take_display(struct guest_spec *s, const struct verb *v, const char *text)
{
	if (display_parse(text, &s->display) == 0)
		return 0;
	return option_wrong(v, "--display: '%s' is none of none, vnc, spice", text);
}

int extras_take_usb(struct guest_spec *s, const char *text)
{
	struct err e = {0};

	if (usb_add(s, text, &e) == 0)
		return 0;
	report(&e);
	return LEAVE_USAGE;
}

void extras_print(const struct guest_spec *s)
{
	char text[USB_TEXT];

	if (s->firmware != GUEST_FIRMWARE_NONE)
		(void)printf("firmware: %s\n", firmware_name(s->firmware));
	if (s->display.kind != GUEST_DISPLAY_NONE)
		(void)printf("display: %s\n", display_name(s->display.kind));
	if (s->tpm)
		(void)printf("tpm: 2.0\n");
	for (size_t i = 0; i < s->usb_count; i++)
		(void)printf("usb: %s\n", usb_text(&s->usb[i], text));
}

void extras_put(struct json *guest, const struct guest_spec *s)
{
	char text[USB_TEXT];

	json_put_text(guest, "firmware", firmware_name(s->firmware));
	json_put_text(guest, "display", display_name(s->display.kind));
	json_put_flag(guest, "tpm", s->tpm);
	struct json *list = json_put_list(guest, "usb");
	for (size_t i = 0; i < s->usb_count; i++)
		json_push_text(list, usb_text(&s->usb[i], text));
}
