"""Placement's trees in memory, as columns: blocks that never change, kept current by the change journal.

An accelerator, not a truth: what it narrows to, `ways` decides, and what is claimed, SQL checks. Nothing here
decides what a request means, and only modules of this package import numpy, which the first query loads.
"""
