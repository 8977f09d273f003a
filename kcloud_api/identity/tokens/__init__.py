"""Tokens: their form, the keys that seal them, what they are worth now, and their end."""
