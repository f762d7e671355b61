"""A synthetic town: a registry of fictitious people whose records agree with one another."""

from __future__ import annotations

from issuer.fictitious.generate import generate
from issuer.fictitious.invariants import check_invariants
from issuer.fictitious.people import Person, Subject, Town
from issuer.fictitious.records import TownRecords

__all__ = ["Person", "Subject", "Town", "TownRecords", "check_invariants", "generate"]
