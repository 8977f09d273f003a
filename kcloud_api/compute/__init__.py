"""Compute (Nova v2.1's shape): flavors, key pairs, servers and their instance actions."""
