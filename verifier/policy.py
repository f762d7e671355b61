"""Policies as users of the verifier see them: those of ``vcred.policy``, plus the presets shipped here."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Self

from vcred import policy as _policy
from vcred.errors import PolicyError
from vcred.policy import HolderBinding, PostQuantum, RrnLevel

if TYPE_CHECKING:
    from vcred.catalog import Catalog

__all__ = ["HolderBinding", "PostQuantum", "RrnLevel", "VerificationPolicy", "lint_presets", "preset_ids"]


class VerificationPolicy(_policy.VerificationPolicy):
    """See ``vcred.policy.VerificationPolicy``; ``preset`` reads one that is shipped."""

    __slots__ = ()

    @classmethod
    def preset(cls, policy_id: str) -> Self:
        """The shipped policy of that id. Raises ``PolicyError`` when there is none."""
        if policy_id not in preset_ids():
            raise PolicyError(policy_id, "", "no such preset; there are " + ", ".join(preset_ids()))
        name = f"{policy_id}.toml"
        return cls.load(files("verifier").joinpath("policies", name).read_text(encoding="utf-8"), file=name)


def preset_ids() -> tuple[str, ...]:
    """The ids of the shipped policies, sorted."""
    folder = files("verifier").joinpath("policies")
    return tuple(sorted(one.name.removesuffix(".toml") for one in folder.iterdir() if one.name.endswith(".toml")))


def lint_presets(catalog: Catalog) -> list[PolicyError]:
    """Every mistake in the shipped policies against ``catalog``; empty when there is none."""
    found: list[PolicyError] = []
    for policy_id in preset_ids():
        try:
            policy = VerificationPolicy.preset(policy_id)
        except PolicyError as error:
            found.append(error)
            continue
        if policy.id != policy_id:
            found.append(PolicyError(policy.file, "id", "differs from the file name"))
        found += _policy.lint(policy, catalog)
    return found
