"""The real application form of a certificate type: its variants and options, and what is certified for a choice.

Field names are ``o.<option>`` and, for the number in "last N years", ``n.<option>``; a value of a set is a field of its
own, ``o.<option>.<value>``. A form that says ``chosen=1`` has every box of a set that is ticked, and no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from vcred.catalog import CertificateType, ClaimSpec
    from vcred.catalog.types import IssueOption

__all__ = ["CHOSEN", "FAMILIES", "Certified", "Field", "certified", "chosen_of", "fields_of", "hidden_fields", "listed"]

CHOSEN: Final = "chosen"
FAMILIES: Final = ("resident", "family", "id", "tax", "nhis", "work", "edu", "qual", "welfare", "housing", "seal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One option on the page. ``choices`` are value, label, whether it is chosen, and the bounds of its number."""

    id: str
    label: str
    kind: str
    choices: tuple[tuple[str, str, bool, tuple[int, int] | None], ...]
    number: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """What one part of the certificate holds for a choice, and what it leaves out, as labels.

    ``identifiers`` are among ``inside``: numbers that identify a person.
    """

    name: str
    inside: tuple[str, ...]
    outside: tuple[str, ...]
    identifiers: tuple[str, ...]


def listed(kinds: Iterable[CertificateType], words: str, lang: str) -> list[tuple[str, list[CertificateType]]]:
    """The types by family that have all of ``words`` in what people call them."""
    wanted = words.casefold().split()
    found: dict[str, list[CertificateType]] = {}
    for kind in kinds:
        texts = (kind.code, *kind.names.values(), *kind.descriptions.values(), *kind.authorities.values())
        text = " ".join(texts).casefold()
        if all(word in text for word in wanted):
            found.setdefault(kind.family, []).append(kind)
    order = [*FAMILIES, *sorted(found.keys() - set(FAMILIES))]
    return [(name, sorted(found[name], key=lambda one: one.name(lang))) for name in order if name in found]


def chosen_of(kind: CertificateType, variant: str | None, sent: Mapping[str, str]) -> dict[str, Any]:
    """The options in a form that was sent. Raises ``ValueError`` for what the type does not have."""
    chosen: dict[str, Any] = {}
    applicable = {option.id: option for option in _applicable(kind, variant)}
    for name in sent:
        if name.startswith(("o.", "n.")) and name.split(".")[1] not in applicable:
            raise ValueError(f"{kind.code}: no such option here")
    for option in applicable.values():
        value = _sent_value(option, sent)
        if value is not None:
            chosen[option.id] = value
    return chosen


def fields_of(kind: CertificateType, variant: str | None, chosen: Mapping[str, Any], lang: str) -> list[Field]:
    """The form, filled in with ``chosen`` and, for the rest, with the defaults of the real form."""
    return [_field(option, chosen.get(option.id, option.default), lang) for option in _applicable(kind, variant)]


def hidden_fields(kind: CertificateType, variant: str | None, chosen: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values that say the same choice again."""
    if variant is not None:
        yield "variant", variant
    yield CHOSEN, "1"
    for option in _applicable(kind, variant):
        value = chosen.get(option.id, option.default)
        if option.kind == "set":
            yield from ((f"o.{option.id}.{one}", "1") for one in value)
        elif option.kind == "yes_no":
            yield f"o.{option.id}", "yes" if value else "no"
        else:
            name, number = _split(option, value)
            yield f"o.{option.id}", name
            if number is not None:
                yield f"n.{option.id}", str(number)


def certified(kind: CertificateType, variant: str | None, chosen: Mapping[str, Any], lang: str) -> list[Certified]:
    """What the certificate will say and what it will not, part by part."""
    parts = []
    for top in kind.claims:
        inside: list[str] = []
        outside: list[str] = []
        identifiers: list[str] = []
        for spec in _leaves(top):
            name = spec.name(lang) if spec is not top else top.name(lang)
            if kind.is_issued(spec.path, variant=variant, options=chosen):
                inside.append(name)
                if spec.sensitivity == "identifier":
                    identifiers.append(name)
            else:
                outside.append(name)
        parts.append(
            Certified(name=top.name(lang), inside=tuple(inside), outside=tuple(outside), identifiers=tuple(identifiers))
        )
    return parts


def _leaves(spec: ClaimSpec) -> Iterator[ClaimSpec]:
    if not spec.children:
        yield spec
        return
    for child in spec.children:
        yield from _leaves(child)


def _applicable(kind: CertificateType, variant: str | None) -> list[IssueOption]:
    return [option for option in kind.options if not option.variants or variant in option.variants]


def _sent_value(option: IssueOption, sent: Mapping[str, str]) -> Any:
    name = f"o.{option.id}"
    if option.kind == "set":
        found = [one.id for one in option.values if f"{name}.{one.id}" in sent]
        return found if found or CHOSEN in sent else None
    value, number = sent.get(name), sent.get(f"n.{option.id}", "").strip()
    if value is None and not number:
        return None
    if option.kind == "yes_no":
        if value not in ("yes", "no"):
            raise ValueError("an option is yes or no")
        return value == "yes"
    if value is not None and value.endswith(":N"):
        return value[:-1] + number
    if number:
        raise ValueError("a number for another choice")
    return value


def _field(option: IssueOption, value: Any, lang: str) -> Field:
    name, number = (value, None) if option.kind != "choice" else _split(option, value)
    choices: list[tuple[str, str, bool, tuple[int, int] | None]] = []
    if option.kind == "yes_no":
        words = {"ko": ("포함", "미포함"), "en": ("Included", "Not included")}[lang]
        choices = [("yes", words[0], value is True, None), ("no", words[1], value is False, None)]
    else:
        for one in option.values:
            ticked = one.id in value if option.kind == "set" else one.id == name
            bounds = (one.low, one.high) if one.id.endswith(":N") else None
            choices.append((one.id, one.names[lang], ticked, bounds))
    return Field(id=option.id, label=option.name(lang), kind=option.kind, choices=tuple(choices), number=number)


def _split(option: IssueOption, value: Any) -> tuple[str, int | None]:
    """``years:7`` as the value ``years:N`` and its number."""
    for one in option.values:
        if one.id == value:
            return one.id, None
        if one.id.endswith(":N") and str(value).startswith(one.id[:-1]):
            digits = str(value)[len(one.id) - 1 :]
            return one.id, int(digits) if digits.isascii() and digits.isdigit() else None
    return str(value), None
