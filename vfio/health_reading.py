"""Reads the signs of a function's health from the host's files."""

from vfio.config_space import damage, device_serial
from vfio.errors import Vanished
from vfio.health import Errors, Reading, aer_total, xids_of
from vfio.scan import DEVICES, parse_link
from vfio.sysfs import Sysfs

_TEXTS = (
    "aer_dev_correctable",
    "aer_dev_nonfatal",
    "aer_dev_fatal",
    "current_link_speed",
    "current_link_width",
)


def read_errors(sysfs: Sysfs, address: str) -> Errors | None:
    """What AER has counted on a function since it was found; None for one that is gone or counts nothing."""
    try:
        with sysfs.folder(f"{DEVICES}/{address}") as folder:
            counts = Errors(*(aer_total(folder.read_text(name)) for name in _TEXTS[:3]))
    except Vanished:
        return None
    return counts if counts.counted else None


def read(sysfs: Sysfs, address: str, kernel_log: str = "") -> Reading:
    """What can be seen of a function now. A function that is gone is a reading too."""
    folder = f"{DEVICES}/{address}"
    try:
        names = frozenset(sysfs.listdir(folder))
        texts = {name: sysfs.read_text(f"{folder}/{name}") for name in _TEXTS if name in names}
        config = sysfs.read_bytes(f"{folder}/config") if "config" in names else None
    except Vanished:
        return Reading(address, present=False)
    return Reading(
        address=address,
        config=damage(config) if config is not None else None,
        correctable=aer_total(texts.get("aer_dev_correctable")),
        nonfatal=aer_total(texts.get("aer_dev_nonfatal")),
        fatal=aer_total(texts.get("aer_dev_fatal")),
        link=parse_link(texts.get("current_link_speed"), texts.get("current_link_width")),
        xids=xids_of(kernel_log, address),
        serial=device_serial(config) if config is not None else None,
    )
