/* SPDX-License-Identifier: MIT */
/* usher-libvirt of a build without libvirt's headers. */
#include <stdio.h>

int main(void)
{
	(void)fprintf(stderr, "this usher was built without libvirt\n");
	return 1;
}
