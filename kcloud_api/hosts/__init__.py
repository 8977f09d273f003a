"""Hosts: enrolment, assignment, report, liveness (the agent's side of the API)."""
