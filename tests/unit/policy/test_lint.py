import pytest

from vcred.errors import PolicyError
from vcred.policy import VerificationPolicy, compile_policy, lint

PERSONAL = """
id = "test.one"
name = { ko = "시험", en = "Test" }
purpose = { ko = "시험", en = "Test" }
asks = { ko = "이름", en = "Name" }
holder_binding = "required"
freshness = { challenge = true }
trust = { max_age_hours = 168 }
status = { required = true, max_age_hours = 24 }
rrn = { level = "none" }
retention = { days = 0, text = { ko = "없음", en = "None" } }
forbid = { claims = ["military"], certificates = ["tax."] }

[[certificates]]
slot = "one"
name = { ko = "초본", en = "Abstract" }
required = true

[[certificates.any_of]]
code = "resident.personal"
claims = ["name", "rrn.birthDate", "addressHistory[].address"]
options = { addressHistory = ["all", "years:3"] }
persons.me = { name = "name", birth_date = "rrn.birthDate" }
"""


def problems(text, catalog):
    return [(one.path, one.detail) for one in lint(VerificationPolicy.load(text, file="p.toml"), catalog)]


def test_a_good_policy_has_no_problem(catalog):
    assert problems(PERSONAL, catalog) == []


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("resident.personal", "resident.nothing", "certificates[0].any_of[0].code"),
        ('"name", "rrn', '"nom", "rrn', "certificates[0].any_of[0].claims[0]"),
        ('"rrn.birthDate",', '"rrn",', "certificates[0].any_of[0].claims[1]"),
        ('"rrn.birthDate",', '"rrn.birthDate", "rrn.sexDigit",', "certificates[0].any_of[0].claims[2]"),
        ('"rrn.birthDate",', '"rrn.birthDate", "military.rank",', "certificates[0].any_of[0].claims[2]"),
        ('level = "none"', 'level = "full"', "rrn.legal_basis"),
        ("years:3", "years:x", "certificates[0].any_of[0].options.addressHistory"),
        ("years:3", "some", "certificates[0].any_of[0].options.addressHistory"),
        ("{ addressHistory", "{ rrnBack = 1, addressHistory", "certificates[0].any_of[0].options.rrnBack"),
        ("{ addressHistory", "{ nothing = true, addressHistory", "certificates[0].any_of[0].options.nothing"),
        ('claims = ["name", ', 'variants = ["detailed"]\nclaims = ["name", ', "certificates[0].any_of[0].variants"),
        ('birth_date = "rrn.birthDate" }', 'birth_date = "rrn.serial" }', "certificates[0].any_of[0].persons.me"),
        ('birth_date = "rrn.birthDate" }', 'birth_date = "born" }', "certificates[0].any_of[0].persons.me"),
        ('certificates = ["tax."]', 'certificates = ["resident."]', "certificates[0].any_of[0].code"),
    ],
)  # fmt: skip
def test_a_mistake_is_found(old, new, path, catalog):
    assert PERSONAL.count(old) == 1
    assert path in [where for where, _ in problems(PERSONAL.replace(old, new), catalog)]


def test_a_certificate_with_variants_says_which_will_do(catalog):
    text = PERSONAL.replace("resident.personal", "family.relations").replace("rrn.birthDate", "subject.birthDate")
    assert ("certificates[0].any_of[0].variants", "missing: say which will do of detailed, general, specific") in (
        problems(text, catalog)
    )


def test_a_rule_looks_at_what_is_asked_for(catalog):
    rule = '\n[[rules]]\nid = "r"\nrule = "validNow"\nslot = "one"\npath = "currentAddress.movedInOn"\n'
    assert problems(PERSONAL + rule, catalog)[0][0] == "rules[0]"
    asked = PERSONAL.replace('["name",', '["name", "currentAddress.movedInOn",')
    assert problems(asked + rule, catalog) == []


def test_a_resident_number_needs_a_law(catalog):
    text = PERSONAL.replace('"rrn.birthDate",', '"rrn",').replace(
        'level = "none"', 'level = "full", legal_basis = { ko = "법", en = "Act" }'
    )
    assert problems(text, catalog) == []


def test_every_error_names_the_file(catalog):
    policy = VerificationPolicy.load(PERSONAL.replace("resident.personal", "no.such"), file="p.toml")
    assert all(one.file == "p.toml" for one in lint(policy, catalog))
    with pytest.raises(PolicyError, match=r"p\.toml"):
        compile_policy(policy, catalog, ["sd-cwt"])


@pytest.mark.parametrize("formats", [[], ["vc+cose"], ["sd-cwt", "sd-cwt"]])
def test_formats_are_ours(formats, catalog):
    with pytest.raises(ValueError, match="formats"):
        compile_policy(VerificationPolicy.load(PERSONAL), catalog, formats)


def test_optional_claims_become_claim_sets(catalog):
    text = PERSONAL.replace("options = {", 'optional = ["nameHanja", "currentAddress"]\noptions = {')
    (query,) = compile_policy(VerificationPolicy.load(text), catalog, ["sd-cwt"]).credentials
    assert query.claim_sets == (
        ("c0", "c1", "c2", "c3", "c4"),
        ("c0", "c1", "c2", "c3"),
        ("c0", "c1", "c2", "c4"),
        ("c0", "c1", "c2"),
    )


def test_alternatives_become_credential_sets(catalog):
    from verifier.policy import VerificationPolicy as Shipped

    query = compile_policy(Shipped.preset("bank.minor-account"), catalog, ["sd-cwt"])
    assert [one.id for one in query.credentials] == [
        "parent-1",
        "parent-2",
        "child_basic",
        "relations_parent",
        "relations_child",
    ]
    assert [one.options for one in query.credential_sets] == [
        (("parent-1",), ("parent-2",)),
        (("child_basic",),),
        (("relations_parent",), ("relations_child",)),
    ]
