"""Verification policies: what a verifier asks for, whom it accepts, and what must hold.

``VerificationPolicy.load`` reads one, ``compile_policy`` makes the DCQL query of it, ``evaluate`` says
what is wrong with given certificates, ``lint`` checks it against a catalogue. No I/O, no clock.
"""

from vcred.policy.compile import compile_policy, slot_of
from vcred.policy.evaluate import Finding, RuleCheck, check_rules, evaluate
from vcred.policy.lint import lint
from vcred.policy.model import HolderBinding, PostQuantum, RrnLevel, VerificationPolicy
from vcred.policy.presented import PresentedCertificate

__all__ = [
    "Finding",
    "HolderBinding",
    "PostQuantum",
    "PresentedCertificate",
    "RrnLevel",
    "RuleCheck",
    "VerificationPolicy",
    "check_rules",
    "compile_policy",
    "evaluate",
    "lint",
    "slot_of",
]
