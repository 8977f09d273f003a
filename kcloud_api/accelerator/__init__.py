"""Devices of hosts and the claims on them."""
