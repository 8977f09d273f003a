"""Layouts: how operators want the cards of hosts to be cut."""
