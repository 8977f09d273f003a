"""Cards cut into slices: one model, five back ends, one owner (`slicer.Slicer`).

May not: decide who gets a slice, clean one between tenants, or know any tenant. Everything here can be
called again after a stop at any line.
"""
