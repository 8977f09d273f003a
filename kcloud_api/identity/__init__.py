"""Identity (Keystone v3's shape): domains, projects, users, roles, tokens, catalog."""
