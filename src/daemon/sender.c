/* SPDX-License-Identifier: MIT */
#include "daemon/sender.h"

int sender_user(sd_bus_message *m, uid_t *ret)
{
	sd_bus_creds *creds = NULL;

	int r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &creds);
	if (r >= 0)
		r = sd_bus_creds_get_euid(creds, ret);
	(void)sd_bus_creds_unref(creds);
	return r;
}
