"""What Nova accepts as the name of a thing: 1 to 255 printable characters, no space at either end."""

from typing import Annotated

from pydantic import AfterValidator, Field


def _printable(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise ValueError(
            "Name contains invalid characters. Only printable characters are allowed, "
            "and it can not start or end with whitespace."
        )
    return name


Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_printable)]
