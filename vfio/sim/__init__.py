"""Fake hosts: what their kernel answers, and generated trees of known machines.

Everything here is a simulation. Where the field has no public fact about a card, what the simulated one does
is a property of the simulation and says nothing about the real card.
"""
