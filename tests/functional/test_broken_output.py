"""`kcloud ... | head`: who reads the output may stop reading it."""

import subprocess
import sys
from pathlib import Path

KCLOUD = Path(sys.executable).parent / "kcloud"


def test_a_reader_who_leaves_ends_the_command_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    command = f'"{KCLOUD}" doctor --json --root "{tmp_path}"; echo "status $?" >&2'
    done = subprocess.run(
        ["sh", "-c", f"({command}) | exec true"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == "status 141\n"
