/* SPDX-License-Identifier: MIT */
#include "lease/lease.h"

const char *lease_end_name(enum lease_end why)
{
	static const char *const names[] = {
		[LEASE_RUNS] = "",
		[LEASE_END_OWNER] = "owner-ended",
		[LEASE_END_RETURNED] = "returned",
		[LEASE_END_REVOKED] = "revoked",
		[LEASE_END_EXPIRED] = "expired",
		[LEASE_END_STOPPED] = "stopped",
	};

	return names[why];
}
