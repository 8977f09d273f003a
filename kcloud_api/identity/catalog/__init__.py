"""Regions, services and endpoints: where the cloud's APIs are."""
