"""The agent on each host: observe, plan, execute, report. Never sees a database."""
