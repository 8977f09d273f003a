"""The database: engine, sessions, column types, migration on start."""
