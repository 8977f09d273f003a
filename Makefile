# Placeholder targets are filled by the packaging work; see README.md.
