"""The contract between control plane and agent: what a host is told to have, and what it says it has.

The agent pulls an `Assignment` (all of it, each time), converges, and sends a `HostReport` (all of it, each
time something changed). Nothing here is an order: every field is state, so a message may be lost, doubled
or late. Sizes: memory in MiB, disk in GiB, file sizes in bytes; times are RFC 3339 in UTC.

`...Want` goes down to the host, `...Report` comes up. One module for each thing that is spoken of; all names
are also here, and others take them from here.
"""

from kcloud_common.wire.base import Amount, Counter, Wire, Word, Words
from kcloud_common.wire.cards import Ability, CardLayoutWant, CardReport, CutWant, LayoutWant
from kcloud_common.wire.devices import ChainHead, DeviceReport, DeviceState, DeviceWant, Health, PcieLink
from kcloud_common.wire.host import Assignment, HostReport
from kcloud_common.wire.machine import MachineReport, NodeReport, PagesReport
from kcloud_common.wire.resources import ResourceReport
from kcloud_common.wire.servers import (
    ClaimWant,
    Fault,
    GuestData,
    GuestShape,
    ImageWant,
    PortWant,
    Power,
    PowerState,
    Presence,
    ServerReport,
    ServerWant,
)
from kcloud_common.wire.session import Enrolled, Enrolment, HostSession, ReportAck
from kcloud_common.wire.slices import Sharing, SharingPolicy, SliceKind

__all__ = [
    "Ability",
    "Amount",
    "Assignment",
    "CardLayoutWant",
    "CardReport",
    "ChainHead",
    "ClaimWant",
    "Counter",
    "CutWant",
    "DeviceReport",
    "DeviceState",
    "DeviceWant",
    "Enrolled",
    "Enrolment",
    "Fault",
    "GuestData",
    "GuestShape",
    "Health",
    "HostReport",
    "HostSession",
    "ImageWant",
    "LayoutWant",
    "MachineReport",
    "NodeReport",
    "PagesReport",
    "PcieLink",
    "PortWant",
    "Power",
    "PowerState",
    "Presence",
    "ReportAck",
    "ResourceReport",
    "ServerReport",
    "ServerWant",
    "Sharing",
    "SharingPolicy",
    "SliceKind",
    "Wire",
    "Word",
    "Words",
]
