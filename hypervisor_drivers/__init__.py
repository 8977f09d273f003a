"""Running domains: one Protocol, one implementation per folder or file. Reads no sysfs, configuration or database."""
