"""Flavors: the sizes that servers come in, and what else they ask of a host."""
