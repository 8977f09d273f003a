"""Usage: offers.py [RULE...]. Prints what this host would offer by the rules, and what it refuses and why."""

import dataclasses
import json
import sys

from vfio.hostuse import in_use
from vfio.offer import parse_rule
from vfio.scan import scan
from vfio.slices.offering import offers
from vfio.sysfs import Sysfs

sysfs = Sysfs()
result = offers(scan(sysfs), [parse_rule(text) for text in sys.argv[1:]], in_use(sysfs))
json.dump(dataclasses.asdict(result), sys.stdout)
