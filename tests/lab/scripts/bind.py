"""Usage: bind.py prepare|release CLAIM JOURNAL [ADDRESS...]. Prints the functions taken, or the refusal."""

import json
import sys
from pathlib import Path
from uuid import UUID

from vfio.binding import Binder
from vfio.errors import BindingError
from vfio.journal import Journal
from vfio.sysfs import Sysfs

verb, claim, journal, *addresses = sys.argv[1:]
binder = Binder(Sysfs(), Journal(Path(journal)))
answer: dict[str, object] = {}
try:
    if verb == "prepare":
        answer["taken"] = list(binder.prepare(UUID(claim), addresses))
    else:
        binder.release(UUID(claim))
except BindingError as error:
    answer["refused"] = type(error).__name__
    answer["reason"] = str(error)
answer["prepared"] = {str(claim): list(held) for claim, held in binder.prepared().items()}
json.dump(answer, sys.stdout)
