"""Text in columns, as the `kcloud` command prints it. Pure."""

from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Each column as wide as its widest cell; the last one is not padded."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def shortened(text: str, most: int) -> str:
    """What is longer ends in an ellipsis; --json has all of it."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
