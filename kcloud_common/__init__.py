"""Words every process shares: errors, configuration, logging, the agent's wire contract.

Does no I/O beyond its own configuration.
"""
