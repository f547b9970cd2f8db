# SPDX-License-Identifier: MIT
"""An emulated host of the same shape as another: ./dev lab --from FILE, a file of 'usher snapshot'.

Ports, bridges, groups and classes are kept as far as QEMU has devices for them; Shape.notes lists the
rest. Groups have priority over slots, because usher works on groups.
"""
import collections
import dataclasses
import itertools
import posixpath
import re
import sys

import cache

# Where topologies may put things on the root bus: lab/machine.py has the slots above.
SLOTS = range(0x01, 0x19)
DEVICES_MAX = 64  # each makes the emulated host's boot longer
FUNCTIONS = 8

ROOT_PORT, UPSTREAM, DOWNSTREAM, TO_PCI = 4, 5, 6, 7  # types of PCI Express ports and bridges

# The emulated machine's own devices: host and ISA bridges, SMBus, IOMMUs, memory controllers.
OWN = re.compile("0600|0601|0806|0c05|05..")

# A class or its prefix, QEMU's device for it, and the class of that device.
MODELS = [
    ("0108", "nvme", "0108"),
    ("0106", "ich9-ahci", "0106"),
    ("01", "megasas", "0104"),
    ("02", "e1000e", "0200"),
    ("03", "bochs-display", "0380"),
    ("0403", "intel-hda", "0403"),
    ("04", "edu", "00ff"),
    ("0700", "pci-serial", "0700"),
    ("0805", "sdhci-pci", "0805"),
    ("0c03", "qemu-xhci", "0c03"),
    ("", "edu", "00ff"),
]


@dataclasses.dataclass
class Device:
    address: str
    kind: str  # the first four digits of its class
    group: str | None
    is_bridge: bool
    type: int | None  # of a PCI Express port or function; None: conventional, or not known
    parent: str | None
    is_virtual: bool
    virtuals: int

    @property
    def slot(self):
        return int(self.address.split(":")[-1].split(".")[0], 16)


@dataclasses.dataclass
class Shape:
    devices: list = dataclasses.field(default_factory=list)  # lines of a topology
    notes: list = dataclasses.field(default_factory=list)
    groups: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(list))

    def expected(self):
        """Each group as the classes of its members, in order: the expected shape."""
        return sorted(" ".join(sorted(kinds)) for kinds in self.groups.values())


def unescape(text):
    return re.sub(r"\\(n|\\|x..)", lambda m: {"n": "\n", "\\": "\\"}.get(m[1]) or
                  chr(int(m[1][1:], 16)), text)


def sparse(text):
    size, *runs = text.split()
    data = bytearray(min(int(size), 65536))
    for run in runs:
        offset, digits = run.split(":")
        piece = bytes.fromhex(digits)
        data[int(offset, 16):int(offset, 16) + len(piece)] = piece
    return bytes(data)


def read(path):
    """The entries of a snapshot by path (src/host/snapshot.c), as far as they are needed here."""
    entries, at = {}, ""
    with open(path, encoding="utf-8", errors="replace") as file:
        if file.readline().rstrip() not in ("usher-host 1", "usher-host 2"):
            raise cache.LabError(f"'{path}' is not a snapshot: its first line is not 'usher-host 2'")
        for line in file:
            word, _, rest = line.rstrip("\r\n").partition(" ")
            name, _, text = rest.partition(" ")
            full = name if name.startswith("/") else f"{at}/{name}"
            if word == "end":
                break
            if word == "at":
                at = name
            elif word == "file":
                entries[full] = unescape(text)
            elif word == "bytes":
                entries[full] = sparse(text)
            elif word in ("link", "dir"):
                entries[full] = text
    return entries


def express_type(config):
    """Type of the PCI Express capability, by a walk that ends."""
    if not isinstance(config, bytes) or len(config) < 0x40 or not config[6] & 0x10:
        return None
    at = config[0x34] & ~3
    for _ in range(48):
        if at < 0x40 or at + 4 > len(config):
            return None
        if config[at] == 0x10:
            return config[at + 2] >> 4 & 15
        at = config[at + 1] & ~3
    return None


def device(entries, address, target):
    real = posixpath.normpath(posixpath.join("/sys/bus/pci/devices", target))

    def has(name):
        return any(f"{real}/{name}{end}" in entries for end in ("", "/"))

    def text(name):
        return str(entries.get(f"{real}/{name}", ""))

    above = []
    for part in real.split("/")[:-1]:
        above = [] if part.startswith("pci") else above + [part] if re.match(r"[0-9a-f]+:..:", part) else above
    kind = f"{int(text('class') or '0', 16):06x}"[:4]
    return Device(address, kind=kind,
                  group=posixpath.basename(text("iommu_group")) or None,
                  is_bridge=kind[:2] == "06" and (has("pci_bus") or has("secondary_bus_number")),
                  type=express_type(entries.get(f"{real}/config")),
                  parent=above[-1] if above else None,
                  is_virtual=has("physfn"), virtuals=int(text("sriov_totalvfs") or 0))


def devices_of(entries):
    found = (re.match(r"/sys/bus/pci/devices/([0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])(?:/|$)", path)
             for path in entries)
    addresses = sorted({match[1] for match in found if match}, key=lambda a: (len(a), a))
    # In tests the devices may be there themselves instead of links.
    return [device(entries, a, entries.get(f"/sys/bus/pci/devices/{a}") or a) for a in addresses]


class Builder:
    """Walks down from the root bus; each device gets a line and a group."""

    def __init__(self, devices):
        self.shape = Shape()
        self.all = devices
        known = {d.address for d in devices}
        self.below = collections.defaultdict(list)
        for d in devices:
            self.below[d.parent if d.parent in known else None].append(d)
        self.numbers = itertools.count(1)
        self.free = list(SLOTS)

    def note(self, text):
        if text not in self.shape.notes:
            self.shape.notes.append(text)

    def build(self):
        roots = [d for d in self.below[None] if not self.is_own(d)]
        buses = {d.address.rsplit(":", 1)[0] for d in roots}
        if len(buses) > 1:
            self.note(f"{len(buses)} root buses ({', '.join(sorted(buses))}) become one")
        clusters = {}
        for d in roots:
            clusters.setdefault(d.group or d.address, []).append(d)
        for cluster in clusters.values():
            self.cluster(cluster)
        return self.shape

    def is_own(self, d):
        if not d.is_bridge and OWN.fullmatch(d.kind):
            self.note(f"{d.address} (class {d.kind}): the emulated machine has its own")
            return True
        return False

    def take_slot(self, wanted):
        if not self.free:
            return None
        slot = wanted if wanted in self.free else self.free[0]
        self.free.remove(slot)
        return slot

    def cluster(self, members):
        """Root-level devices of one group: functions of one slot, which share one without ACS."""
        slot = self.take_slot(members[0].slot)
        if slot is None or len(self.shape.devices) + len(members) > DEVICES_MAX:
            self.note(f"{members[0].address} and what is behind it: there is no more room")
            return
        if slot != members[0].slot:
            self.note(f"{members[0].address}: is in slot {slot:02x}, to be in a group of its own")
        for d in members[1:FUNCTIONS]:
            if d.address.rsplit(".")[0] != members[0].address.rsplit(".")[0]:
                self.note(f"{d.address}: is a function of slot {slot:02x}, to share the group of {members[0].address}")
        for d in members[FUNCTIONS:]:
            self.note(f"{d.address}: a slot has only eight functions")
        key = next(self.numbers)
        several = ",multifunction=on" if len(members) > 1 else ""
        for function, d in enumerate(members[:FUNCTIONS]):
            where = f"addr={slot:02x}.{function}{several if function == 0 else ''}"
            if d.is_bridge:
                self.root_bridge(d, where, key, bool(several))
            else:
                self.endpoint(d, where, key)

    def root_bridge(self, d, where, key, shared):
        if d.type is None and self.below[d.address] and not any(
                b.type is not None or b.is_bridge for b in self.below[d.address]) and \
                any(b.slot for b in self.below[d.address]):
            self.put(d, "i82801b11-bridge", "0604", where, key)
            return self.conventional(d, key)
        if d.type not in (None, ROOT_PORT):
            self.note(f"{d.address}: becomes a root port")
        shared = shared or self.shares(d)
        number = next(self.numbers)
        self.put(d, f"pcie-root-port,chassis={number},slot={number}"
                    + (",disable-acs=on" if shared else ""), "0604", where, key)
        self.port(d, key if shared else None)

    def shares(self, port):
        return port.group is not None and any(
            b.group == port.group or self.shares_with(b, port.group) for b in self.below[port.address])

    def shares_with(self, d, group):
        return any(b.group == group or self.shares_with(b, group) for b in self.below[d.address])

    def put(self, d, model, kind, where, key):
        name = "d" + re.sub(r"\W", "_", d.address)
        self.shape.devices.append(f"{model},id={name},{where}")
        self.shape.groups[key].append(kind)
        if kind != d.kind:
            self.note(f"{d.address}: its class {d.kind} becomes {kind} ({model.split(',')[0]})")

    def bus(self, d):
        return "bus=d" + re.sub(r"\W", "_", d.address)

    def port(self, port, key):
        """The devices behind a PCI Express port: functions of slot 0, or one bridge. @key: the group,
        if the port does not isolate it."""
        children = [b for b in self.below[port.address] if not self.is_left_out(b)]
        several = ",multifunction=on" if len(children) > 1 else ""
        key = key or next(self.numbers)
        if len({b.group for b in children}) > 1:
            self.note(f"{port.address}: what is behind it shares a group here")
        for function, d in enumerate(children[:FUNCTIONS]):
            where = f"{self.bus(port)},addr=00.{function}{several if function == 0 else ''}"
            if not d.is_bridge:
                self.endpoint(d, where, key)
            elif d.type == UPSTREAM or (d.type is None and any(
                    b.is_bridge for b in self.below[d.address])):
                self.switch(d, where, key)
            else:
                self.put(d, "pcie-pci-bridge", "0604", where, key)
                self.conventional(d, key)

    def switch(self, d, where, key):
        self.put(d, "x3130-upstream", "0604", where, key)
        for slot, down in enumerate(self.below[d.address]):
            number = next(self.numbers)
            group = key if down.group == d.group else number
            if group == key or not self.shares(down):
                self.note(f"{down.address}: has no ACS here, so it shares the group of what is behind it, "
                          "and of nothing else")
            self.put(down, f"xio3130-downstream,chassis={number},slot={number}", "0604",
                     f"{self.bus(d)},addr={slot:02x}.0", number)
            self.port(down, number)

    def conventional(self, bridge, key):
        """A bus without isolation: its devices share a group."""
        slots = itertools.count(1)
        for d in self.below[bridge.address]:
            if self.is_left_out(d):
                continue
            where = f"{self.bus(bridge)},addr={next(slots):02x}.0"
            if d.is_bridge:
                self.put(d, f"pci-bridge,chassis_nr={next(self.numbers)}", "0604", where, key)
                self.conventional(d, key)
            else:
                self.endpoint(d, where, key, conventional=True)

    def is_left_out(self, d):
        if d.is_virtual:
            self.note(f"{d.address}: a virtual function; 'usher vfs' makes them")
            return True
        if len(self.shape.devices) >= DEVICES_MAX:
            self.note(f"{d.address}: more than {DEVICES_MAX} devices")
            return True
        return False

    def endpoint(self, d, where, key, conventional=False):
        if d.is_virtual:
            return
        _, model, kind = next(m for m in MODELS if d.kind.startswith(m[0]))
        number = next(self.numbers)
        if model == "nvme" and conventional:
            model, kind = "edu", "00ff"
        elif model == "nvme":
            model += f",serial=from-{number}"
        if model == "e1000e" and conventional:
            model = "e1000"
        if model.startswith("e1000"):
            model += f",netdev=net{number}"
        if d.virtuals:
            self.note(f"{d.address}: cannot have its {d.virtuals} virtual functions here")
        self.put(d, model, kind, where, key)


def describe(path):
    devices = devices_of(read(path))
    if not devices:
        raise cache.LabError(f"'{path}' has no PCI devices")
    return Builder(devices).build()


def main():
    """For tests: the devices of the emulated host, the notes, and the groups."""
    shape = describe(sys.argv[1])
    for title, lines in (("device", shape.devices), ("note", shape.notes), ("group", shape.expected())):
        for line in lines:
            print(f"{title} {line}")


if __name__ == "__main__":
    main()
