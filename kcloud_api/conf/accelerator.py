"""Configuration group `accelerator`: how long what is known of devices is kept."""

from dataclasses import dataclass

from kcloud_common.config import option

DAY = 86_400.0
TWO_YEARS = 730 * DAY


@dataclass(frozen=True, slots=True)
class AcceleratorConf:
    certificate_retention: float = option(
        TWO_YEARS,
        help="Seconds for which a certificate is kept after the next one of its device has come. The newest\n"
        "of each device is kept in any case. What is left of a chain can still be verified: from where on,\n"
        "is told.",
        minimum=DAY,
    )
    lease_retention: float = option(
        TWO_YEARS,
        help="Seconds for which it is remembered, after its end, whose a device was: a certificate that\n"
        "comes later is shown to operators alone. As long, what deleted hosts' devices were is remembered;\n"
        "what an operator has ruled out, for ever.",
        minimum=DAY,
    )
