"""The questions that benchmarks ask placement, and what they cost upstream where that was measured."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.placement_shapes import ACCELERATOR

CANDIDATES = "/allocation_candidates?"
PLAIN = {
    "flat": "resources=VCPU:4,MEMORY_MB:4096,DISK_GB:20",
    "nested": "resources=VCPU:4,MEMORY_MB:4096",
}
COMPUTE = "resources_C=VCPU:4,MEMORY_MB:4096"


@dataclass(frozen=True, slots=True)
class Question:
    name: str
    path: str
    reference: Mapping[int, float]
    """CPU ms of upstream 16.0.0, on another machine of this class, by number of hosts."""
    bar: float = 0
    """How many times less it may cost us, at the size that the reference has."""
    heavy: bool = False
    """Its answer is as large as the cloud: asked seldom."""


def cards(count: int) -> str:
    return "&".join(f"resources_A{n}=PGPU:1&required_A{n}={ACCELERATOR}" for n in range(1, count + 1))


def together(count: int) -> str:
    """CPU and that many accelerators under one NUMA node, each accelerator by itself or not."""
    suffixes = ",".join(["_C", *(f"_A{n}" for n in range(1, count + 1))])
    return f"{COMPUTE}&{cards(count)}&same_subtree={suffixes}&group_policy=none"


def isolated(count: int) -> str:
    """That many accelerators, each of its own."""
    return f"{cards(count)}&group_policy=isolate"


def questions(shape: str, one_provider: str) -> tuple[Question, ...]:
    plain = CANDIDATES + PLAIN[shape]
    trivial = Question("GET one provider's inventories", f"/resource_providers/{one_provider}/inventories",
                       {1000: 8, 10_000: 8, 62_500: 8}, bar=5)  # fmt: skip
    if shape == "flat":
        return (
            trivial,
            Question("one plain group, limit=10", f"{plain}&limit=10", {1000: 126, 10_000: 1658}, bar=100),
            Question("one plain group, limit=1000", f"{plain}&limit=1000", {}),
            Question("listing all providers", "/resource_providers", {}, heavy=True),
        )
    one, two, apart = (CANDIDATES + words for words in (together(1), together(2), isolated(2)))
    return (
        trivial,
        Question("one plain group, limit=10", f"{plain}&limit=10", {1000: 600}, bar=100),
        Question("one plain group, limit=1000", f"{plain}&limit=1000", {}),
        Question("one card + same_subtree, limit=10", f"{one}&limit=10", {1000: 690}, bar=100),
        Question("two cards + same_subtree, limit=10", f"{two}&limit=10", {1000: 1670}, bar=100),
        Question("two cards + same_subtree, limit=1000", f"{two}&limit=1000", {1000: 1880}, bar=20),
        Question("two isolated, limit=10", f"{apart}&limit=10", {1000: 4145}, bar=100),
        Question("two isolated, limit=1000", f"{apart}&limit=1000", {1000: 5120}, bar=20),
        Question("two isolated, no limit", apart, {1000: 11_800}, bar=20, heavy=True),
        Question("listing all providers", "/resource_providers", {1000: 332}, heavy=True),
    )


EQUAL_DEVICES = {(5, 1): 3068.0, (8, 1): 3899.0, (8, 10): 535.0}
"""(k, hosts): upstream's CPU ms. k=6 on one host had no answer in 150 s; k=8 is with its tuning for wide
trees on."""
CLAIM_CYCLE = {("nested", 1000): 1790.0, ("flat", 1000): 176.0, ("flat", 10_000): 1359.0}
