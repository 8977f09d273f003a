"""One request, one transaction, committed before the answer leaves.

`scope="function"` matters: with the default scope FastAPI closes a yield-dependency after the response was
sent, so a commit that fails would follow a 201 (tests/functional/test_transaction.py shows both).
"""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlmodel import Session

from kcloud_api.db.engine import Database


def session(request: Request) -> Iterator[Session]:
    """GET and HEAD read; everything else may write."""
    database: Database = request.app.state.database
    unit = database.reading() if request.method in ("GET", "HEAD") else database.transaction()
    with unit as opened:
        yield opened


SessionDep = Annotated[Session, Depends(session, scope="function")]
