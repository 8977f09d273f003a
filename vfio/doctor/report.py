"""Shows findings: short text for a person, JSON for a program (docs/doctor.md tells its shape). Pure."""

import json
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from vfio.doctor.facts import Facts
from vfio.doctor.finding import Finding, Severity

VERSION = 1
"""Of the JSON. Fields are added without a new one; it changes when one goes or means something else."""
_MARKS = {Severity.ERROR: "ERROR", Severity.WARNING: "WARN ", Severity.NOTE: "note "}
_PLURALS = {Severity.ERROR: "errors", Severity.WARNING: "warnings", Severity.NOTE: "notes"}
_WIDTH = 160
_LONGEST = 640
"""Of what was seen: an IOMMU group of many members is named whole, a kernel's command line need not be."""
_VENDOR_VFIO_FROM = (6, 8)


def described(facts: Facts) -> dict[str, object]:
    """What the host is, in few words; for the head of a report."""
    types = Counter(facts.iommu.group_types.values())
    mode = types.most_common(1)[0][0] if types else "on" if facts.snapshot.groups else "off"
    return {
        "kernel": facts.kernel.release,
        "iommu": mode,
        "iommu_groups": len(facts.snapshot.groups),
        "iommu_units": len(facts.iommu.units),
        "vgpu_mode": _vgpu_mode(facts.kernel.version),
        "memory_mib": (facts.memory.total_kib or 0) // 1024,
        "numa_nodes": len(facts.memory.nodes),
        "address_bits": facts.cpu.phys_bits,
        "nested": facts.kernel.parameters.get(
            "kvm_intel.nested", facts.kernel.parameters.get("kvm_amd.nested")
        ),
    }


def _vgpu_mode(kernel: tuple[int, int]) -> str | None:
    """How this kernel makes NVIDIA's."""
    if kernel == (0, 0):
        return None
    return "vendor-vfio" if kernel >= _VENDOR_VFIO_FROM else "mdev"


def as_json(findings: Sequence[Finding], facts: Facts | None, host: Mapping[str, object], status: int) -> str:
    """`host` is of `described`, and whatever the caller asked besides."""
    return json.dumps(
        {
            "version": VERSION,
            "ok": status == 0,
            "exit_status": status,
            "counts": {each.value: _count(findings, each) for each in Severity},
            "host": dict(host),
            "offers": [] if facts is None else [asdict(offer) for offer in facts.result.offers],
            "cut": [] if facts is None else sorted(facts.cut),
            "findings": [asdict(finding) for finding in findings],
        },
        indent=2,
    )


def as_text(findings: Sequence[Finding], facts: Facts | None, host: Mapping[str, object]) -> str:
    """The gravest first; findings that differ only in their device once, with all of their devices."""
    out = [*_head(facts, host)]
    for code in dict.fromkeys(finding.code for finding in findings):
        alike = [finding for finding in findings if finding.code == code]
        for finding in alike if not alike[0].subject else alike[:1]:
            out += _lines(finding)
        if alike[0].subject and len(alike) > 1:
            others = ", ".join(finding.subject for finding in alike[1:])
            out += _wrapped("also", f"{others}: the same there")
    counted = ", ".join(f"{_PLURALS[each]}: {_count(findings, each)}" for each in Severity)
    out.append(counted if findings else "healthy: nothing was found")
    return "\n".join(out)


def _lines(finding: Finding) -> Iterator[str]:
    yield f"{_MARKS[finding.severity]}  {_cut(finding.summary)}  [{finding.code}]"
    for name, text in (("why", finding.why), ("seen", _cut(finding.evidence, _LONGEST))):
        yield from _wrapped(name, text)
    if finding.mend:
        # In one line, however long: it is there to be copied.
        yield f"       mend  {finding.mend}"


def _wrapped(name: str, text: str) -> Iterator[str]:
    for number, line in enumerate(textwrap.wrap(text, _WIDTH - 13, break_long_words=False)):
        yield f"       {name if number == 0 else '':<4}  {line}"


def _head(facts: Facts | None, host: Mapping[str, object]) -> Iterator[str]:
    words = {
        "kernel": "kernel {}", "iommu": "IOMMU {}", "iommu_groups": "{} groups",
        "numa_nodes": "{} NUMA nodes",
        "memory_mib": "{} MiB", "address_bits": "{} address bits", "kvm": "KVM {}", "libvirt": "libvirt: {}",
    }  # fmt: skip
    shown = [text.format(host[name]) for name, text in words.items() if host.get(name)]
    shown = [text.removesuffix("s") if text.startswith("1 ") else text for text in shown]
    if shown:
        yield f"host   {', '.join(shown)}"
    groups: dict[tuple[str, str], list[str]] = {}
    for offer in facts.result.offers if facts is not None else ():
        groups.setdefault((offer.model, offer.resource_class), []).append(offer.name)
    for (model, resource_class), names in groups.items():
        yield f"offers {len(names)} x {model} as {resource_class}: {', '.join(names)}"
    if facts is not None and facts.pim_ranks:
        yield f"memory {facts.pim_ranks} ranks that compute (PIM): counted, and given to no guest"
    if facts is not None and facts.cut:
        yield f"cut    {len(facts.cut)} by a layout: {', '.join(sorted(facts.cut))}"


def _cut(text: str, most: int = _WIDTH) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _count(findings: Sequence[Finding], severity: Severity) -> int:
    return sum(finding.severity is severity for finding in findings)
