"""Identity cards, tax, health insurance, school and signature papers of the town."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from issuer.fictitious.names import CITY, DISTRICT, SURNAMES
from issuer.fictitious.numbers import digits_of, signature
from issuer.fictitious.picture import portrait
from issuer.fictitious.register import Register, Row, bare
from vcred.errors import RecordError

if TYPE_CHECKING:
    from datetime import date

__all__ = ["clearance", "e_citizen", "eligibility", "enrolment", "income", "resident_mobile", "seal"]

_NOTHING = "nothing of this kind can be certified"
_TAX_OFFICE = "새솔세무서장 (가상)"


def _age(person: Row, day: date) -> int:
    birth = person["birth"]
    return int(day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day)))


def _grown(person: Row, day: date, *, age: int, states: tuple[str, ...]) -> None:
    if person["rrn"] is None or person["died_on"] or person["state"] not in states or _age(person, day) < age:
        raise RecordError(_NOTHING)


def _address(register: Register, person: Row) -> str:
    return str(register.residences(person["id"])[-1]["road"])


def _name_parts(name: str) -> Row:
    """Surname and given name, if it is a name of the town: only a registry knows where a surname ends."""
    surname = next((one.hangul for one in SURNAMES if name.startswith(one.hangul)), None)
    return {"familyName": surname, "givenName": None if surname is None else name.removeprefix(surname) or None}


def resident_mobile(register: Register, person: Row, day: date) -> Row:
    """모바일 주민등록증, from 17 on."""
    _grown(person, day, age=17, states=("resident", "overseas"))
    return bare(
        {
            "name": person["name"],
            "nameHanja": person["hanja"],
            **_name_parts(person["name"]),
            "rrn": person["rrn"],
            "address": _address(register, person),
            "photo": portrait(person["id"]),
            "overseasNational": person["state"] == "overseas",
            "cardState": "valid",
            "document": {
                "issuingAuthority": f"{CITY} {DISTRICT}청장 (가상)",
                "issuingCountry": "KOR",
                "cardIssuedOn": day,
                "cardExpiresOn": day + timedelta(days=1095),
            },
        }
    )


def e_citizen(register: Register, person: Row, day: date) -> Row:
    """전자시민증, valid for a year from ``day``."""
    card = register.row("SELECT * FROM e_citizen WHERE person = ?", person["id"])
    if card is None:
        raise RecordError(_NOTHING)
    young = register.rows(
        "SELECT birth FROM parent JOIN person ON person.id = child WHERE parent = ?"
        " AND role IN ('father', 'mother') AND died_on IS NULL",
        person["id"],
    )
    many = sum(_age(child, day) < 19 for child in young) >= 2
    senior = _age(person, day) >= 65
    return {
        "cardNo": card["card_no"],
        "name": person["name"],
        "birthDate": person["birth"].isoformat(),
        "photo": portrait(person["id"]),
        "province": CITY,
        "district": DISTRICT,
        "citizenKind": card["kind"],
        "entitlements": ["library", *["multi_child"] * many, *["senior"] * senior],
        "multiChild": many,
        "expiresOn": day + timedelta(days=365),
        "document": {"issuingAuthority": f"{CITY}장 (가상)"},
    }


def clearance(register: Register, person: Row, day: date) -> Row:
    """납세증명서 of an adult without arrears, valid for thirty days."""
    _grown(person, day, age=19, states=("resident", "overseas"))
    return {
        "validUntil": day + timedelta(days=30),
        "validityReason": "법정 유효기간",
        "noArrears": True,
        "taxpayer": {"name": person["name"], "rrn": person["rrn"], "address": _address(register, person)},
        "purposeKind": "payment",
        "payer": f"{CITY} (가상)",
        "deferrals": [],
        "document": register.document("tax.clearance", person, day)
        | {"issueNo": register.issue_no("tax.clearance", person, day), "issuingAuthority": _TAX_OFFICE},
    }


def income(register: Register, person: Row, day: date) -> Row:
    """소득금액증명 of somebody with an income; last year's is known from May on."""
    last = day.year - (1 if day.month >= 5 else 2)
    rows = register.rows(
        "SELECT * FROM income WHERE person = ? AND year <= ? ORDER BY year DESC, kind", person["id"], last
    )
    if not rows:
        raise RecordError(_NOTHING)
    return {
        "name": person["name"],
        "rrn": person["rrn"],
        "address": _address(register, person),
        "incomes": [
            bare(
                {
                    "year": row["year"],
                    "kind": row["kind"],
                    "payer": row["payer"],
                    "payerBizNo": row["number"],
                    "amount": row["amount"],
                    "tax": row["tax"],
                }
            )
            for row in rows
        ],
        "purpose": "대출",
        "submittedTo": "가람은행 (가상)",
        "document": register.document("tax.income", person, day)
        | {"issueNo": register.issue_no("tax.income", person, day), "issuingAuthority": _TAX_OFFICE},
    }


def eligibility(register: Register, person: Row, day: date) -> Row:
    """건강보험자격득실확인서: periods of insurance, newest first."""
    rows = register.rows("SELECT * FROM cover WHERE person = ? ORDER BY seq", person["id"])
    if not rows:
        raise RecordError(_NOTHING)
    return {
        "name": person["name"],
        "rrn": person["rrn"],
        "rows": [
            bare(
                {
                    "kind": row["kind"],
                    "workplace": row["workplace"],
                    "acquiredOn": row["acquired"],
                    "lostOn": row["lost"],
                }
            )
            for row in rows
        ],
        "document": {
            "issueNo": "99" + digits_of("nhis", person["id"], day.isoformat(), length=14),
            "issuingAuthority": "국민건강보험공단 (가상)",
        },
    }


def enrolment(register: Register, person: Row, day: date) -> Row:
    """재학증명서."""
    row = register.row("SELECT * FROM enrolment WHERE person = ?", person["id"])
    if row is None:
        raise RecordError(_NOTHING)
    return bare(
        {
            "school": row["school"],
            "name": person["name"],
            "birthDate": person["birth"].isoformat(),
            "rrn": person["rrn"],
            "grade": row["grade"],
            "admittedOn": row["admitted_on"],
            "state": row["state"],
            "purpose": "학생 할인",
            "document": register.document("edu.enrolment", person, day)
            | {
                "issueNo": register.issue_no("edu.enrolment", person, day),
                "issuingAuthority": row["school"].replace(" (가상)", "장 (가상)"),
            },
        }
    )


def seal(register: Register, person: Row, day: date) -> Row:
    """본인서명사실확인서 of an adult, for general use."""
    _grown(person, day, age=19, states=("resident", "overseas"))
    return {
        "name": person["name"],
        "rrn": person["rrn"],
        "address": _address(register, person),
        "purposeKind": "general",
        "purpose": "은행 제출",
        "submittedTo": "가람은행 (가상)",
        "signature": signature(person["id"]),
        "document": register.document("seal.signature", person, day)
        | {"issuingAuthority": f"{CITY} {DISTRICT} 솔내동장 (가상)"},
    }
