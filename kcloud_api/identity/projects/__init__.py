"""Domains and the projects in them: who owns what."""
