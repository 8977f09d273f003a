"""Which versions of Nova's API there are, and how Nova speaks of them."""

import re
from http import HTTPStatus

from kcloud_api.http.microversions import Dialect, Version

OLDEST = Version(2, 1)
NEWEST = Version(2, 100)
COMPUTE = Dialect(
    names=("compute", "nova"),
    oldest=OLDEST,
    newest=NEWEST,
    malformed=(
        HTTPStatus.BAD_REQUEST,
        "API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum.",
    ),
    outside="Version {version} is not supported by the API. Minimum is {oldest} and maximum is {newest}.",
    # No leading zeros: 2.01 is not 2.1.
    pattern=re.compile(r"([1-9][0-9]{0,5})\.([1-9][0-9]{0,5}|0)"),
    refused_in=OLDEST,
    legacy="X-OpenStack-Nova-API-Version",
)
