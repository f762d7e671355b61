"""What the service says no to besides bad answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vcred.errors import VcredError

if TYPE_CHECKING:
    from verifier.result import VerificationResult

__all__ = ["AnswerRefusedError", "CodeNeededError", "StateError", "WishError"]


class WishError(VcredError):
    """A request cannot be made as it was wished; ``member`` says which part of the wish is wrong."""

    def __init__(self, member: str, detail: str) -> None:
        self.member = member
        self.detail = detail
        super().__init__(f"{member}: {detail}")


class StateError(VcredError):
    """It is too late, or too early: the request is not in a state where this can happen."""

    def __init__(self, state: str, detail: str) -> None:
        self.state = state
        self.detail = detail
        super().__init__(f"{state}: {detail}")


class CodeNeededError(VcredError):
    """The result is there, for whoever brings the code: ``needs`` is ``response_code`` or ``code``."""

    def __init__(self, needs: str) -> None:
        self.needs = needs
        super().__init__(f"{needs} is missing or wrong")


class AnswerRefusedError(VcredError):
    """A wallet's answer was not accepted."""

    def __init__(self, result: VerificationResult) -> None:
        self.result = result
        super().__init__(", ".join(reason.code.value for reason in result.reasons))
