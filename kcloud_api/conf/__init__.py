"""The control plane's options, read once into frozen dataclasses."""
