"""Running domains: one Protocol, one implementation per folder or file.

May not read sysfs, configuration or the database.
"""
