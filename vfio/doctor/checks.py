"""The checks of a host, by topic. Adding one is adding a function: its name is the code of its findings."""

from vfio.doctor import (
    drivers,
    health,
    iommu,
    kernel,
    memory,
    modules,
    offering,
    resets,
    sriov,
    vgpu,
    windows,
)
from vfio.doctor.facts import Facts
from vfio.doctor.finding import Checks

CHECKS: Checks[Facts] = {
    "iommu": (
        iommu.iommu_off,
        iommu.interrupt_remapping_off,
        iommu.noiommu_mode,
        iommu.unsafe_interrupts,
        iommu.acs_override,
        iommu.acs_missing,
        iommu.acs_disabled,
        iommu.iommu_passthrough,
    ),
    "vfio": (
        modules.vfio_not_loaded,
        modules.vfio_not_installed,
        modules.vfio_type1_missing,
        modules.vfio_ids_steal,
        modules.vfio_ids_hold_cut_cards,
        modules.dma_entry_limit_low,
        modules.vfio_hugepages_off,
    ),
    "devices": (offering.device, drivers.boot_display_offered, offering.no_devices),
    "drivers": (drivers.card_held_open, drivers.nouveau_holds_card, drivers.drivers_compete),
    "slices": (
        sriov.vf_bars_unassigned,
        sriov.sriov_switched_off,
        sriov.vf_stolen,
        vgpu.vgpu_mode_mismatch,
        modules.mdev_module_missing,
        modules.mdevctl_missing,
    ),
    "windows": (windows.bar_unassigned, windows.bar_small, windows.phys_bits_small),
    "reset": (
        resets.device_asleep,
        resets.device_dead,
        resets.reset_absent,
        resets.reset_unsafe,
        resets.reset_weak,
        resets.reset_hits_others,
        resets.d3cold_allowed,
    ),
    "health": (
        health.aer_fatal,
        health.aer_nonfatal,
        health.aer_rising,
        health.aer_many_corrected,
        health.link_narrow,
        health.link_slow,
    ),
    "memory": (
        memory.memlock_low,
        memory.hugepages_none,
        memory.hugepages_short,
        memory.hugepages_uneven,
        memory.numa_unknown,
        memory.numa_memoryless,
    ),
    "kernel": (kernel.kernel_harmed, kernel.kernel_lockdown, kernel.nested_off, kernel.partly_seen),
}
