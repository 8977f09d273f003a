"""Makes a machine a host over SSH: looks at it, brings the agent, configures it, starts it, waits for it.

Knows the machine only by commands and the control plane only by its public API.
"""
