"""In which orders hosts are searched. Pure data."""

ORDERS: dict[str, int] = {"spread": -1, "pack": 1}
"""How hosts are ordered by what is free of the request's classes, the rarest class first, then by id:
`spread` takes the host with the most free, so that load is even; `pack` the one with the least, so that
whole hosts stay empty. The value is the sign of `free` in the sort key."""
