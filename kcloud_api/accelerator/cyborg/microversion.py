"""Which versions of Cyborg's API there are, what each brought, and how Cyborg speaks of them."""

from http import HTTPStatus

from kcloud_api.http.microversions import HEADER, Dialect, Version

OLDEST = Version(2, 0)
PROFILE_BY_NAME = Version(2, 2)
DEVICE_STATUS = Version(2, 3)
NEWEST = DEVICE_STATUS
ACCELERATOR = Dialect(
    names=("accelerator",),
    oldest=OLDEST,
    newest=NEWEST,
    malformed=(HTTPStatus.NOT_ACCEPTABLE, f"Invalid value for {HEADER} header"),
    outside=(
        "Version {version} was requested but the minor version is not supported by this service. "
        "The supported version range is: [{oldest}, {newest}]."
    ),
    refused_in=OLDEST,
    lenient=True,
    tells_range=True,
)
