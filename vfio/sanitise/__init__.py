"""Cleans a device between two tenants, and says step by step what was done.

May not: decide who gets a device, run a tool (the agent's means are passed in), or call a device clean that
a step failed on.
"""
