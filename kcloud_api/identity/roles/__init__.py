"""Roles, which role implies which, and who holds which role where."""
