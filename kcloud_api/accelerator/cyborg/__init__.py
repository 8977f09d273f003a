"""Cyborg's v2 API over kcloud's cards, claims and device profiles: a view, and profiles; no second truth."""
