"""OpenStack placement's own functional tests, read out of its distribution and run against our live service.

The distribution is installed only for its YAML files; its code is never imported.
"""
