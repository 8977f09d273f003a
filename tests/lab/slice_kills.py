"""Usage: slice_kills SEED COUNT FOLDER. Runs on the lab host: kills a process COUNT times while it cuts,
claims, cleans, returns and undoes, and prints as JSON what each kill hit and what came of it.

A process is counted by what it opens for writing, renames or removes. The kill comes a random while after a
random one of these, so that some fall into what the kernel does about it.
"""

import itertools
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.lab.host_tree import tree
from tests.lab.lab_cards import BENCHES
from tests.slice_bench import Bench, claim
from vfio.catalogue import builtin
from vfio.errors import BindingError, SysfsError
from vfio.journal import forget, write_whole
from vfio.kept import Kept
from vfio.offer import seated_link
from vfio.sanitise.pipeline import Means, Unclean, sanitise
from vfio.sanitise.subject import Subject, functions_of
from vfio.slices.model import Kind, Slice

WRITES = os.O_WRONLY | os.O_RDWR
LONGEST_WAIT = 0.02


@dataclass(frozen=True)
class Notes:
    """What a cleaning has changed, in a file of the agent's folder."""

    file: Path

    def read(self) -> Mapping[str, str]:
        found: dict[str, str] = json.loads(self.file.read_text()) if self.file.exists() else {}
        return found

    def write(self, before: Mapping[str, str]) -> None:
        if before:
            write_whole(self.file, json.dumps(dict(before)))
        else:
            forget(self.file)


@dataclass
class Life:
    """One claim on the last slice of a card, from cutting the card to undoing that."""

    bench: Bench
    made: tuple[Slice, ...] = ()
    grade: str = ""
    writes: int = 0

    @property
    def acts(self) -> dict[str, Callable[[], None]]:
        return {
            "apply": self.apply,
            "prepare": self.prepare,
            "clean": self.clean,
            "release": self.release,
            "undo": self.bench.undo,
        }

    @property
    def notes(self) -> Notes:
        return Notes(self.bench.folder / "notes.json")

    def apply(self) -> None:
        self.made = self.bench.apply()

    def prepare(self) -> None:
        self.bench.process().prepare(claim(1), self.made[-1])

    def release(self) -> None:
        self.bench.process().release(claim(1))

    def clean(self) -> None:
        """As the agent does it: the functions are on vfio-pci."""
        slicer, each = self.bench.process(), self.made[-1]
        snapshot = slicer.look().snapshot

        def recreate() -> str:
            slicer.prepare(claim(1), each)
            slicer.release(claim(1))
            return "made anew"

        subject = Subject(
            name=each.name,
            kind=each.kind,
            functions=functions_of(snapshot, each.addresses, builtin().describe, seated_link),
            watched=() if each.kind is Kind.WHOLE else (self.bench.card(slicer).address,),
            mdev=str(each.mdev) if each.mdev else None,
            slice_type=each.type,
        )
        means = Means(
            time.monotonic, self.notes, lambda: "lease is over", lambda: "no domain", recreate=recreate
        )
        self.grade = sanitise(self.bench.sysfs(), subject, means).grade


@dataclass(frozen=True)
class Kill:
    """`at` is the act that was hit; `then` what the next process did; `wrong` what must not be."""

    card: str
    at: str
    write: int
    of: int
    waited_ms: float
    found: str
    then: str
    quarantined: str
    wrong: str


class Process:
    """A child that lives a life and tells each act, and one of its writes, through a pipe."""

    def __init__(self, life: Life, tell_at: int) -> None:
        reader, writer = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(reader)
            _live(life, tell_at, writer)
        os.close(writer)
        self._told = os.fdopen(reader, "r")

    def until(self, word: str) -> list[str]:
        """All words up to this one, or to the end."""
        words: list[str] = []
        for line in self._told:
            words.append(line.strip())
            if words[-1] == word:
                break
        return words

    def kill(self) -> bool:
        """False when it had ended by itself."""
        os.kill(self.pid, signal.SIGKILL)
        return self.end() == -signal.SIGKILL

    def end(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _live(life: Life, tell_at: int, told: int) -> None:
    """Never returns: this is the child."""
    status, writes = 1, 0

    def heard(event: str, words: tuple[object, ...]) -> None:
        nonlocal writes
        opened = event == "open" and isinstance(words[2], int) and words[2] & WRITES
        if opened or event in ("os.rename", "os.remove"):
            writes += 1
            if writes == tell_at:
                os.write(told, b"now\n")

    try:
        sys.addaudithook(heard)
        for name, act in life.acts.items():
            os.write(told, f"{name}\n".encode())
            act()
        os.write(told, f"{writes} {life.grade}\n".encode())
        status = 0
    finally:
        os._exit(status)


def main(seed: int, count: int, folder: Path) -> None:
    chance = random.Random(seed)
    before = tree()
    whole = {card: _whole_life(card, folder / card / "whole life") for card in BENCHES}
    grades = {card: life.grade for card, life in whole.items()}
    kills: list[Kill] = []
    for number in itertools.count():
        card = chance.choice(list(BENCHES))
        bench = BENCHES[card](folder / card / str(number))
        if (kill := _killed(replace(whole[card], bench=bench), card, chance)) is not None:
            kills.append(kill)
        if len(kills) == count:
            break
    left = sorted({path for path, text in tree().items() ^ before.items()})
    json.dump(
        {"seed": seed, "grades": grades, "left": left, "kills": [asdict(kill) for kill in kills]}, sys.stdout
    )


def _whole_life(card: str, folder: Path) -> Life:
    """One that nobody ends: with what it made, how often it wrote and what its device was certified for."""
    life = Life(BENCHES[card](folder))
    life.apply()
    life.bench.undo()
    process = Process(life, 0)
    writes, life.grade = process.until("")[-1].split()
    assert process.end() == 0, card
    return replace(life, writes=int(writes))


def _killed(life: Life, card: str, chance: random.Random) -> Kill | None:
    """None when the process was faster, and nothing is left of it."""
    before = life.bench.picture()
    write, wait = chance.randint(1, life.writes), chance.choice((0, chance.uniform(0, LONGEST_WAIT)))
    process = Process(life, write)
    words = process.until("now")
    time.sleep(wait)
    if not process.kill():
        return None
    acts = [word for word in (*words, *process.until("")) if word in life.acts]
    wrong, found, quarantined, then = "", "", "", chance.choice(("repeat", "undo"))
    try:
        found = _found(life.bench)
        quarantined = _repeat(life, acts[-1]) if then == "repeat" else _undo(life)
        if (unfinished := life.bench.records()) and all(name.endswith(".tmp") for name in unfinished):
            # No record, but what a write had begun: it goes with the next life.
            _repeat(life, "apply")
        if life.bench.picture() != before:
            wrong = "the card is not as it was: " + " ".join(
                sorted({path for path, _ in life.bench.picture().items() ^ before.items()})
            )
        elif life.bench.records() or life.bench.process().prepared():
            wrong = f"left: {life.bench.records()}"
    except (BindingError, SysfsError, AssertionError) as error:
        wrong = f"{type(error).__name__}: {error}"
    return Kill(card, acts[-1], write, life.writes, round(wait * 1000, 1), found, then, quarantined, wrong)


def _found(bench: Bench) -> str:
    """What the next process sees, which has to be a state that it has words for."""
    slicer = bench.process()
    assert not slicer.damaged(), slicer.damaged()
    claims = len(slicer.prepared())
    stands = slicer.stands(bench.card(), bench.plan, slicer.look())
    return f"{len(bench.names())} slices, layout {'stands' if stands else 'does not stand'}, {claims} claims"


def _repeat(life: Life, at: str) -> str:
    """The act that was hit, and those after it. Returns why the device was not found to be clean, if so."""
    names, quarantined = list(life.acts), ""
    for name in names[names.index(at) :]:
        try:
            life.acts[name]()
        except Unclean as error:
            quarantined = error.evidence
    return quarantined


def _undo(life: Life) -> str:
    """What the operator's wish has become while the process was down; a cleaning begins so, too."""
    Kept(life.bench.sysfs(), life.notes).put_back()
    for claim_id in life.bench.process().prepared():
        life.bench.process().release(claim_id)
    life.bench.undo()
    return ""


main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
