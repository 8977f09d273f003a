"""Images (Glance v2's shape): records, upload and download, inspection before use."""
