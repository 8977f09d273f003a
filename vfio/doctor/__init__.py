"""Says what is wrong with a host that shall give devices to guests: reads once, then decides purely.

`gather` reads everything into one `Facts`; each check is a small function over it, listed in `checks.CHECKS`.
What a host does not show is None or empty, and no check takes "not shown" for "wrong".
"""
