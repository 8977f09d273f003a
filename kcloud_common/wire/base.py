"""What every message is made of: the base class, and the texts and numbers that a host may say.

What a host says is shown to others, and kept for as long as the host is: texts are cut, not refused, for a
report that is refused for its words would also hide what it says of servers. Left out is what steers an
operator's terminal, or turns the order of letters round; and NULs, which PostgreSQL does not keep.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _cut(length: int) -> AfterValidator:
    return AfterValidator(lambda text: _STEERING.sub(" ", text[:length]))


Word = Annotated[str, _cut(255)]
Words = Annotated[str, _cut(4096)]
Amount = Annotated[int, Field(ge=0, lt=2**31)]
Counter = Annotated[int, Field(ge=0, lt=2**63)]


class Wire(BaseModel):
    """Base of what travels: frozen, and unknown fields are refused (a typo must not pass for a default)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
