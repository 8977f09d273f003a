"""Writes the next step of the history from what the tables declare now: read it before you commit it.

.venv/bin/python -m kcloud_api.migrations.write "Add quotas"
"""

import argparse
import sys
import tempfile
from pathlib import Path

from alembic import command

from kcloud_api.db import migration
from kcloud_api.db.engine import make_engine


def write(message: str) -> Path:
    """Compare the code with a fresh database at the newest step, and write the difference as a step."""
    number = f"{int(migration.head() or 0) + 1:04d}"
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/fresh.db"
        migration.upgrade(url)
        engine = make_engine(url)
        try:
            with engine.begin() as connection:
                config = migration.alembic_config(connection)
                config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
                command.revision(config, message, autogenerate=True, rev_id=number)
        finally:
            engine.dispose()
    return next(migration.STEPS.glob(f"{number}_*.py"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("message", help="what the step does, in the imperative")
    sys.stdout.write(f"{write(parser.parse_args().message)}\n")
