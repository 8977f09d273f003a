"""Prints what vfio's scan of this host finds: functions, groups."""

import dataclasses
import json
import sys

from vfio.scan import scan
from vfio.sysfs import Sysfs

snapshot = scan(Sysfs())
devices = {address: dataclasses.asdict(device) for address, device in snapshot.devices.items()}
groups = {str(number): list(members) for number, members in snapshot.groups.items()}
json.dump({"devices": devices, "groups": groups}, sys.stdout)
