"""Linux devices over sysfs: discovery, IOMMU groups, binding, reset.

Imports only the standard library and is usable alone. Sees the host only through `vfio.sysfs.Sysfs`.
"""
