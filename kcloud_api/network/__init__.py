"""Ports of servers."""
