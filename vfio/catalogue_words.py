"""The words that catalogue entries are written in: kinds, ways to cut, resets, scrubs and quirks. Pure data.

A word means something to the code that acts on it, so an unknown one is refused when a catalogue is read.
"""

WHOLE_CLASS = {
    "gpu": "PGPU",
    "npu": "CUSTOM_NPU",
    "pim": "CUSTOM_PIM",
    "fpga": "FPGA",
    "qat": "CUSTOM_QAT",
    "dsa": "CUSTOM_DSA",
    "companion": "CUSTOM_COMPANION",
}
"""Kind to the resource class of a whole card; standard classes (os-resource-classes) where there is one."""

SLICE_CLASS = {
    "gpu": "VGPU",
    "npu": "CUSTOM_NPU_SLICE",
    "pim": "CUSTOM_PIM_SLICE",
    "fpga": "CUSTOM_FPGA_SLICE",
    "qat": "CUSTOM_QAT_SLICE",
    "dsa": "CUSTOM_DSA_SLICE",
    "companion": "CUSTOM_COMPANION_SLICE",
}

KINDS = frozenset(WHOLE_CLASS)
OTHER = "other"
"""What no catalogue knows and the class code does not tell: only an operator's rule offers it."""

OFFERED_KINDS = frozenset({"gpu", "npu", "pim", "fpga"})
"""What the rule `known` offers. The others serve the host or another card until somebody names them."""

PARTITIONS = {
    "sriov": "virtual functions by sriov_numvfs, handed out on vfio-pci",
    "mdev": "mediated devices, of the types in mdev_supported_types",
    "vendor-vfio": "virtual functions that stay on the vendor's driver, with a vGPU type set in sysfs",
    "xe": "virtual functions of Intel's xe driver, with quanta and a memory quota",
}

RESET_METHODS = frozenset({"device_specific", "acpi", "flr", "af_flr", "pm", "bus", "cxl_bus"})
"""As the kernel's reset_method file spells them."""

ANY_RESET = "default"
"""In place of a list of methods: whatever the kernel offers, in its order."""

SCRUBS = {
    "none": "nothing is known to clear its memory; a reset is all there is",
    "recreate": "taking the slice away and making it anew clears it, says its vendor",
}
"""`vendor:<tool>` names a tool of the vendor besides these. A name is no promise that the tool is there."""

VENDOR_SCRUB = "vendor:"

QUIRKS = {
    "d3cold": "a reset out of D3cold fails; d3cold_allowed is 0 while we hold it",
    "no_flr": "has no function-level reset",
    "bus_reset_all_functions": "several functions of one board share a bus: a bus reset hits all of them",
    "reset_breaks_until_reboot": "a reset leaves its config space all ones until the host boots",
    "device_specific_reset": "comes back only from the reset that the kernel has for this very device",
    "modes_outlive_guest": "modes that a guest set (MIG, ECC, confidential computing) stay after it",
    "memory_outlives_reset": "a reset does not clear its memory",
    "vfs_by_vendor_tool": "the vendor's tool enables virtual functions, anew after each boot",
    "vfs_stay_on_driver": "its virtual functions refuse vfio-pci and stay on the vendor's driver",
    "one_vf": "one virtual function, which is the whole card",
    "fabric": "sits on a switch fabric whose partitions the host must set before a guest can use it",
    "viommu": "a guest needs a virtual IOMMU",
    "few_msi": "may get fewer interrupts than it asks for, which its driver copes with",
}
