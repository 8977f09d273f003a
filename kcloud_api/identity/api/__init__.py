"""Routes of the Keystone v3 API, one module for each kind of thing."""
