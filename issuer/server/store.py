"""``ServiceStore``: an issuer's store with what its service remembers, in the same database and transactions."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from issuer.server._applications import ApplicationRows
from issuer.server._grants import GrantRows
from issuer.server._logins import LoginRows
from issuer.server._showings import ShowingRows
from issuer.server.tables import REVISIONS
from issuer.status_store import LIST_SIZE
from issuer.store import IssuerStore

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ServiceStore"]


class ServiceStore(ApplicationRows, GrantRows, ShowingRows, LoginRows, IssuerStore):
    """The one store of a service. Its topics are mixins: ``_grants``, ``_applications``, ``_logins``, ``_showings``."""

    def __init__(self, target: str | Path | None = None, *, list_size: int = LIST_SIZE) -> None:
        """``target`` as in ``Database``. Makes and migrates the tables. Raises ``StoreError``."""
        super().__init__(target, list_size=list_size)
        text = str(target)
        if target is None:
            with self.writing():
                for statement in chain.from_iterable(REVISIONS):
                    self._db.execute(statement)
        elif "://" not in text or text.startswith("sqlite:///"):
            from issuer.migrations import upgrade  # noqa: PLC0415 - PostgreSQL's were made on opening

            upgrade(text if "://" in text else f"sqlite:///{text}")

    def forget_expired(self, *, at: int) -> None:
        """Logins, sessions and applications that have ended go too, with whom they were about."""
        with self.writing():
            super().forget_expired(at=at)
            self.forget_logins(at=at)
            self.forget_applications(at=at)
