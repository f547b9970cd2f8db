/* SPDX-License-Identifier: MIT */
#ifndef VMM_GPA_H
#define VMM_GPA_H

#include <stdint.h>

/* Guest-physical address. A type of its own, so that to mix it with an IOVA does not compile. */
typedef struct {
	uint64_t v;
} gpa_t;

#define GPA(n) ((gpa_t){n})

#endif
