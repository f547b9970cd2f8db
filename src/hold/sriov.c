/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "hold/view.h"

#include <stdio.h>
#include <string.h>

/* Bound virtual functions: the kernel removes them with their physical function. */
int hold_sriov(struct hold_case *c)
{
	struct host *h = c->view->host;
	char path[FILE_PATH_MAX], vf[32], driver[PCI_NAME_MAX], attr[48];
	int r = 0;

	/* sriov_numvfs would tell how many, but under the device's lock: see pci/locked.h. */
	for (unsigned i = 0; r == 0 && i < UINT16_MAX; i++) {
		(void)snprintf(attr, sizeof(attr), "virtfn%u", i);
		r = pci_device_path(c->device->address, attr, path, sizeof(path));
		if (r < 0 || host_link_name(h, path, vf, sizeof(vf)) < 0)
			break;
		(void)snprintf(attr, sizeof(attr), "virtfn%u/driver", i);
		r = pci_device_path(c->device->address, attr, path, sizeof(path));
		if (r == 0 && host_link_name(h, path, driver, sizeof(driver)) > 0)
			r = hold_add(c, "sriov", HOLD_PLAIN, vf,
				"virtual function of it, bound to %s", driver);
	}
	return r;
}
