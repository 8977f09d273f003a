"""Libvirt's numbers that kcloud uses, so that pure modules can name them without importing libvirt.

tests/contract/test_drivers.py compares each with the installed library.
"""

from enum import IntEnum, IntFlag


class ErrorCode(IntEnum):
    """virErrorNumber."""

    OK = 0
    INTERNAL_ERROR = 1
    NO_SUPPORT = 3
    INVALID_ARG = 8
    XML_ERROR = 27
    XML_DETAIL = 35
    NO_DOMAIN = 42
    NO_NETWORK = 43
    OPERATION_INVALID = 55
    CONFIG_UNSUPPORTED = 67
    OPERATION_TIMEOUT = 68
    ARGUMENT_UNSUPPORTED = 74
    NO_DOMAIN_METADATA = 80
    OPERATION_UNSUPPORTED = 84
    XML_INVALID_SCHEMA = 92


REFUSALS = frozenset(
    {
        ErrorCode.NO_SUPPORT,
        ErrorCode.INVALID_ARG,
        ErrorCode.XML_ERROR,
        ErrorCode.XML_DETAIL,
        ErrorCode.CONFIG_UNSUPPORTED,
        ErrorCode.ARGUMENT_UNSUPPORTED,
        ErrorCode.OPERATION_UNSUPPORTED,
        ErrorCode.XML_INVALID_SCHEMA,
    }
)
"""What libvirt will answer again to the same question. A start that failed inside QEMU (a group that is not
viable, a device that is not bound) is an INTERNAL_ERROR, and may go well at the next turn."""


class State(IntEnum):
    """virDomainState."""

    NOSTATE = 0
    RUNNING = 1
    BLOCKED = 2
    PAUSED = 3
    SHUTDOWN = 4
    SHUTOFF = 5
    CRASHED = 6
    PMSUSPENDED = 7


class ShutoffReason(IntEnum):
    """virDomainShutoffReason, as far as it tells a crash from an ordinary end."""

    CRASHED = 3


class PausedReason(IntEnum):
    """virDomainPausedReason, as far as it tells a start that is under way."""

    STARTING_UP = 11


class Define(IntFlag):
    VALIDATE = 1


class Undefine(IntFlag):
    MANAGED_SAVE = 1
    SNAPSHOTS_METADATA = 2
    NVRAM = 4
    CHECKPOINTS_METADATA = 16


class Affect(IntFlag):
    LIVE = 1


class Metadata(IntEnum):
    TITLE = 1
    ELEMENT = 2


class AddressKind(IntEnum):
    IPV4 = 0
