"""등본 and 초본 of the town."""

from __future__ import annotations

from typing import TYPE_CHECKING

from issuer.fictitious.names import CITY, DISTRICT
from issuer.fictitious.register import Register, Row, bare
from vcred.errors import RecordError

if TYPE_CHECKING:
    from datetime import date

__all__ = ["household", "personal"]

OFFICE = f"{CITY} {DISTRICT}청장 (가상)"


def _document(register: Register, code: str, person: Row, day: date) -> Row:
    return register.document(code, person, day) | {
        "issuingAuthority": OFFICE,
        "officer": "최담당",
        "applicantName": _applicant(register, person),
        "purpose": "기관 제출",
    }


def _applicant(register: Register, person: Row) -> str:
    if person["died_on"] is None:
        return str(person["name"])
    head = register.row(
        "SELECT name FROM person JOIN member h ON h.person = person.id JOIN member m ON m.household = h.household"
        " WHERE m.person = ? AND h.seq = 1",
        person["id"],
    )
    return str((head or person)["name"])


def household(register: Register, person: Row, day: date) -> Row:
    """주민등록표 등본: ``person`` must be a living Korean member, not a cohabitant."""
    own = register.row("SELECT * FROM member WHERE person = ?", person["id"])
    if own is None or person["rrn"] is None or person["died_on"] or own["relation"] == "cohabitant":
        raise RecordError("nothing of this kind can be certified")
    home = register.row("SELECT * FROM household WHERE id = ?", own["household"])
    everybody = register.rows(
        "SELECT person.*, seq, relation FROM member JOIN person ON person.id = member.person"
        " WHERE household = ? AND died_on IS NULL ORDER BY seq",
        own["household"],
    )
    assert home is not None
    head = everybody[0]
    history = register.residences(head["id"])
    now = history[-1]
    korean = [one for one in everybody if one["rrn"] and one["relation"] != "cohabitant"]
    return {
        "householder": bare({"name": head["name"], "nameHanja": head["hanja"]}),
        "currentAddress": _place(now),
        "members": [
            _member(register, one, seq, own=one["id"] == person["id"]) for seq, one in enumerate(korean, start=1)
        ],
        "addressHistory": [
            {
                "seq": row["seq"],
                "address": row["road"],
                "movedInOn": row["moved_in"],
                "changedOn": row["changed"],
                "changeReason": row["reason"],
            }
            for row in history[:-1]
        ],
        "cohabitants": [
            {"name": one["name"], "rrn": one["rrn"], "movedInOn": register.residences(one["id"])[-1]["moved_in"]}
            for one in everybody
            if one["relation"] == "cohabitant"
        ],
        "foreignMembers": [
            {
                "nameRoman": one["roman"],
                "nameHangul": one["name"],
                "relation": one["relation"],
                "foreignerRegNo": one["frn"],
            }
            for one in everybody
            if one["rrn"] is None
        ],
        "household": {
            "registerState": home["state"],
            "formationReason": home["formed_by"],
            "formationDate": home["formed_on"],
        },
        "document": _document(register, "resident.household", person, day)
        | {"applicantBirthDate": person["birth"].isoformat()},
    }


def _place(row: Row) -> Row:
    return bare(
        {
            "road": row["road"],
            "detail": row["detail"],
            "movedInOn": row["moved_in"],
            "changedOn": row["changed"],
            "changeReason": row["reason"],
        }
    )


def _member(register: Register, one: Row, seq: int, *, own: bool) -> Row:
    now = register.residences(one["id"])[-1]
    return bare(
        {
            "seq": seq,
            "self": own,
            "relation": one["relation"],
            "name": one["name"],
            "nameHanja": one["hanja"],
            "rrn": one["rrn"],
            "movedInOn": now["moved_in"],
            "changedOn": now["changed"],
            "changeReason": now["reason"],
            "state": one["state"],
        }
    )


def personal(register: Register, person: Row, day: date) -> Row:
    """주민등록표 초본, also of a person who is struck off."""
    history = register.residences(person["id"])
    if not history or person["rrn"] is None:
        raise RecordError("nothing of this kind can be certified")
    change = register.row("SELECT * FROM name_change WHERE person = ?", person["id"])
    changes = [
        {
            "content": f"성명: {change['old']}에서 {change['new']}{_to(change['new'])}",
            "changedOn": change["permitted_on"],
            "reason": "개명" if change["old"][0] == change["new"][0] else "성·본 변경",
        }
        for change in ([change] if change else [])
    ]
    service = register.row("SELECT * FROM military WHERE person = ?", person["id"])
    return bare(
        {
            "name": person["name"],
            "nameHanja": person["hanja"],
            "rrn": person["rrn"],
            "currentAddress": _place(history[-1]) | _holder(history[-1]),
            "addressHistory": [
                {
                    "seq": row["seq"],
                    "address": row["road"],
                    "movedInOn": row["moved_in"],
                    "changedOn": row["changed"],
                    "changeReason": row["reason"],
                }
                | _holder(row)
                for row in history[:-1]
            ],
            "personalChanges": changes,
            "military": _service(service) if service else None,
            "document": _document(register, "resident.personal", person, day),
        }
    )


def _to(word: str) -> str:
    # The particle depends on the last sound: 로 after a vowel or ㄹ (the 8th final), 으로 otherwise.
    return "로" if (ord(word[-1]) - 0xAC00) % 28 in {0, 8} else "으로"


def _holder(row: Row) -> Row:
    return bare(
        {
            "reportedOn": row["reported"],
            "householderName": row["householder"],
            "relation": row["relation"],
            "state": row["state"],
        }
    )


def _service(row: Row) -> Row:
    return bare(
        {
            "enlistedOn": row["enlisted_on"],
            "dischargedOn": row["discharged_on"],
            "category": row["category"],
            "branch": row["branch"],
            "rank": row["rank"],
            "serviceNo": row["number"],
            "dischargeReason": "만기전역" if row["discharged_on"] else None,
        }
    )
