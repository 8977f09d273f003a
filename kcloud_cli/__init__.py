"""The kcloud command: up, doctor, host, db, lab. Holds no logic that the API should have."""
