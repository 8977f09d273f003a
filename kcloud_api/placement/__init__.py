"""Placement: resource providers, inventories, traits, allocations; claims in one transaction."""
