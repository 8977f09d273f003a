"""The control plane: OpenStack-compatible services and the controller's loops.

Never touches a host: no libvirt, vfio or subprocess.
"""
