"""The lab: guest images, and an emulated host with a real kernel, IOMMU and vfio for machines that lack them.

Builds from Debian packages into a cache, boots, and hands out; knows nothing of the control plane.
"""
