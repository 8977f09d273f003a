"""Linux devices over sysfs: discovery, IOMMU groups, binding, reset. Imports only the standard library and is usable alone."""
