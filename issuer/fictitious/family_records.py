"""가족관계, 기본 and 혼인관계 certificates of the town."""

from __future__ import annotations

from typing import TYPE_CHECKING

from issuer.fictitious.names import CITY, COURT, DISTRICT, REGISTRAR
from issuer.fictitious.register import Register, Row, bare
from vcred.errors import RecordError

if TYPE_CHECKING:
    from datetime import date

__all__ = ["basic", "marriage", "relations"]

_PARENT_ORDER = ("father", "mother", "birth_father", "birth_mother")


def _frame(register: Register, code: str, person: Row, day: date) -> Row:
    if person["rrn"] is None:
        raise RecordError("nothing of this kind can be certified")
    spouse = register.spouse(person["id"])
    applicant = spouse if person["died_on"] and spouse else person
    return {
        "registrationBase": person["base"],
        "subject": _entry("self", person),
        "document": register.document(code, person, day)
        | {
            "issuingAuthority": REGISTRAR,
            "officer": "최담당",
            "applicantName": applicant["name"],
            "issuedAt": register.opening(day),
        },
    }


def _entry(role: str, person: Row) -> Row:
    return bare(
        {
            "role": role,
            "name": person["name"],
            "nameHanja": person["hanja"],
            "birthDate": person["birth"].isoformat(),
            "rrn": person["rrn"],
            "sex": person["sex"],
            "clanOrigin": person["clan"],
            "nationality": person["nationality"],
            "foreignerRegNo": person["frn"],
            "deceased": True if person["died_on"] else None,
        }
    )


def relations(register: Register, person: Row, day: date) -> Row:
    """가족관계증명서: parents, spouse, and the children whose legal father or mother ``person`` is."""
    parents = register.rows(
        "SELECT person.*, role FROM parent JOIN person ON person.id = parent WHERE child = ?", person["id"]
    )
    spouse = register.spouse(person["id"])
    children = register.rows(
        "SELECT person.* FROM parent JOIN person ON person.id = child WHERE parent = ?"
        " AND role IN ('father', 'mother') ORDER BY birth, person.id",
        person["id"],
    )
    other = set()
    if spouse:
        other = {row["child"] for row in register.rows("SELECT child FROM parent WHERE parent = ?", spouse["id"])}
    rows = [_entry(row["role"], row) for row in sorted(parents, key=lambda row: _PARENT_ORDER.index(row["role"]))]
    rows += [_entry("spouse", spouse)] if spouse else []
    rows += [_entry("child", child) | {"currentMarriage": child["id"] in other} for child in children]
    return _frame(register, "family.relations", person, day) | {"relatives": rows}


def basic(register: Register, person: Row, day: date) -> Row:
    """기본증명서: birth, death, change of name, parental authority."""
    change = register.row("SELECT * FROM name_change WHERE person = ?", person["id"])
    custody = register.rows(
        "SELECT custody.*, person.name FROM custody JOIN person ON person.id = holder WHERE child = ?", person["id"]
    )
    first = register.row("SELECT * FROM residence WHERE person = ? AND reason = 'birth'", person["id"])
    death = None
    if person["died_on"]:
        death = {
            "at": register.opening(person["died_on"]),
            "place": f"{CITY} 은하구 은하수의료재단병원 (가상)",
            "reporter": "동거친족",
        }
    return bare(
        _frame(register, "family.basic", person, day)
        | {
            "birth": bare(
                {
                    "place": f"{CITY} 은하구 은하수의료재단병원 (가상)",
                    "reportedOn": first["reported"] if first else None,
                    "reporter": "부",
                }
            ),
            "death": death,
            "nameChanges": [
                {"permittedOn": change["permitted_on"], "court": COURT, "from": change["old"], "to": change["new"]}
                for change in ([change] if change else [])
            ],
            "custody": [
                {"kind": row["kind"], "holder": row["name"], "role": row["role"], "on": row["since"]} for row in custody
            ],
        }
    )


def marriage(register: Register, person: Row, day: date) -> Row:
    """혼인관계증명서: the present marriage, and earlier ones in ``history``."""
    frame = _frame(register, "family.marriage", person, day)
    history: list[Row] = []
    for row in register.marriages(person["id"]):
        other = register.person(row["with"])
        assert other is not None
        if row["ended_on"] is None:
            frame["spouse"] = _entry("spouse", other)
            frame["marriage"] = {"reportedOn": row["reported_on"], "office": f"{CITY} {DISTRICT} (가상)"}
            continue
        with_whom = bare({"counterpart": other["name"], "counterpartNationality": other["nationality"]})
        history.append({"kind": "marriage", "reportedOn": row["reported_on"]} | with_whom)
        history.append({"kind": "divorce", "reportedOn": row["ended_on"], "court": COURT} | with_whom)
    return frame | {"history": history}
