"""Configuration group `pci`: names under which flavors ask for PCI devices."""

from dataclasses import dataclass

from kcloud_common.config import option


@dataclass(frozen=True, slots=True)
class PciConf:
    alias: tuple[str, ...] = option(
        (),
        help="A name for a sort of device, as flavors ask for it with pci_passthrough:alias=NAME:COUNT.\n"
        'JSON with Nova\'s words: {"name": "h100", "vendor_id": "10de", "product_id": "2331",\n'
        '"device_type": "type-PF"}; also resource_class, traits, numa_policy.',
        multi=True,
    )
