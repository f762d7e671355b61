"""Policies are read strictly; each error names file, path and what to write."""

import pytest

from vcred.errors import PolicyError, RefusedError
from vcred.policy import HolderBinding, PostQuantum, RrnLevel, VerificationPolicy

GOOD = """
id = "test.one"
name = { ko = "시험", en = "Test" }
purpose = { ko = "시험", en = "Test" }
asks = { ko = "이름", en = "Name" }
holder_binding = "required"
freshness = { challenge = true, max_age_seconds = 30 }
trust = { max_age_hours = 168 }
status = { required = true, max_age_hours = 24 }
rrn = { level = "none" }
retention = { days = 0, text = { ko = "없음", en = "None" } }

[[certificates]]
slot = "one"
name = { ko = "초본", en = "Abstract" }
required = true

[[certificates.any_of]]
code = "resident.personal"
claims = ["name"]
persons.me = { name = "name", birth_date = "rrn.birthDate" }
"""

RULE = '\n[[rules]]\nid = "r"\n'


def refused(text):
    with pytest.raises(PolicyError) as caught:
        VerificationPolicy.load(text, file="p.toml")
    assert caught.value.file == "p.toml"
    return caught.value


def test_a_policy_is_read():
    policy = VerificationPolicy.load(GOOD)
    assert policy.id == "test.one"
    assert policy.holder_binding is HolderBinding.REQUIRED
    assert policy.rrn.level is RrnLevel.NONE
    assert policy.max_age.total_seconds() == 30
    assert policy.source == GOOD
    assert policy.slot("one").acceptable("resident.personal").claims


@pytest.mark.parametrize(
    "key", ["id", "name", "purpose", "asks", "holder_binding", "freshness", "trust", "status", "rrn", "retention"]
)
def test_nothing_has_a_default(key):
    first = next(line for line in GOOD.splitlines() if line.startswith(f"{key} ="))
    without = GOOD.replace(f"\n{first}\n", "\n", 1)
    assert refused(without).path == key


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ('holder_binding = "required"', 'holder_binding = "optional"', "holder_binding"),
        ('holder_binding = "required"', "holder_binding = true", "holder_binding"),
        ("challenge = true, max_age_seconds = 30", "challenge = false", "freshness"),
        ("challenge = true", 'challenge = "yes"', "freshness.challenge"),
        ("max_age_seconds = 30", "max_age_seconds = 0", "freshness.max_age_seconds"),
        ("max_age_seconds = 30", "max_age_seconds = true", "freshness.max_age_seconds"),
        ("max_age_hours = 24", "max_age_hours = 0", "status.max_age_hours"),
        ("max_age_hours = 168", "max_age_hours = 0", "trust.max_age_hours"),
        ("trust = { max_age_hours = 168 }", "trust = {}", "trust.max_age_hours"),
        ("trust = { max_age_hours = 168 }", "trust = { max_age_hours = 168, required = true }", "trust.required"),
        ('level = "none"', 'level = "all"', "rrn.level"),
        ("days = 0", "days = -1", "retention.days"),
        ('ko = "없음", ', "", "retention.text.ko"),
        ('en = "None"', 'en = "None", fr = "Rien"', "retention.text.fr"),
        ('id = "test.one"', 'id = "Test"', "id"),
        ('id = "test.one"', 'id = "test.one"\nextra = 1', "extra"),
        ('slot = "one"', 'slot = "a-b"', "certificates[0].slot"),
        ("required = true\n\n[[certificates.any_of]]", "required = false\n\n[[certificates.any_of]]", "certificates"),
        ('claims = ["name"]', "claims = []", "certificates[0].any_of[0].claims"),
        ('claims = ["name"]\n', "", "certificates[0].any_of[0].claims"),
        ('claims = ["name"]', 'claims = ["name", "name"]', "certificates[0].any_of[0].claims"),
        ('claims = ["name"]', 'claims = ["name..x"]', "certificates[0].any_of[0].claims[0]"),
        ('claims = ["name"]', 'claims = ["name"]\noptional = ["name"]', "certificates[0].any_of[0].claims"),
        ('claims = ["name"]', 'claims = ["name"]\nissued_within_days = "30"', "certificates[0].any_of[0].issued_within_days"),
        ('claims = ["name"]', 'claims = ["name"]\nissued_on_or_after = "today"', "certificates[0].any_of[0].issued_on_or_after"),
        ('name = "name", birth', 'list = 1, name = "name", birth', "certificates[0].any_of[0].persons.me.list"),
        ('name = "name", birth', 'relation = "r", name = "name", birth', "certificates[0].any_of[0].persons.me.list"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_path(old, new, path):
    assert GOOD.count(old) == 1
    assert refused(GOOD.replace(old, new)).path == path


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ('rule = "unknown"', "rules[0].rule"),
        ('rule = "complete"\nslot = "two"\nlist = "x"', "rules[0].slot"),
        ('rule = "complete"\nslot = "one"', "rules[0].list"),
        ('rule = "complete"\nslot = "one"\nlist = "x"\nwhere = { a = 1 }', "rules[0].where"),
        ('rule = "complete"\nslot = "one"\nlist = "x"\ncode = "other.type"', "rules[0].code"),
        ('rule = "count"\nslot = "one"\nlist = "x"', "rules[0]"),
        ('rule = "count"\nslot = "one"\nlist = "x"\nleast = 3\nmost = 2', "rules[0]"),
        ('rule = "predicate"\nslot = "one"\npath = "x"\nop = "!="\nvalue = 1', "rules[0].op"),
        ('rule = "predicate"\nslot = "one"\npath = "x"\nop = "range"\nvalue = [1]', "rules[0].value"),
        ('rule = "predicate"\nslot = "one"\npath = "x"\nop = "range"\nvalue = [1, "2"]', "rules[0].value"),
        ('rule = "predicate"\nslot = "one"\npath = "x"\nop = "age>="\nvalue = "19"', "rules[0].value"),
        ('rule = "predicate"\nslot = "one"\npath = "x"\nop = "=="\nvalue = [1, 2]', "rules[0].value"),
        ('rule = "samePerson"\nbetween = ["one.me"]\nby = "name"', "rules[0].between"),
        ('rule = "samePerson"\nbetween = ["one.me", "one.me"]\nby = "name"', "rules[0].between"),
        ('rule = "samePerson"\nbetween = ["one.me", "two.me"]\nby = "name"', "rules[0].between[1]"),
        ('rule = "samePerson"\nbetween = ["one.me", "one.you"]\nby = "name"', "rules[0].between[1]"),
        ('rule = "samePerson"\nbetween = ["one.me", 3]\nby = "name"', "rules[0].between[1]"),
        ('rule = "relation"\nof = "one.me"\nto = "one.me"\nroles = ["child"]\nby = "name"', "rules[0].of"),
        ('rule = "subjectIs"\nslot = "one"\npath = "x"\nstate = "ward"', "rules[0].state"),
        ('rule = "manual"\nslot = "one"', "rules[0].reason"),
        ('rule = "validNow"\nslot = "one"\npath = "x"\nextra = 1', "rules[0].extra"),
    ],
)
def test_a_mistake_in_a_rule_is_named(rule, path):
    assert refused(GOOD + RULE + rule).path == path


def test_ids_are_used_once():
    rule = RULE + 'rule = "complete"\nslot = "one"\nlist = "x"'
    assert refused(GOOD + rule + rule).path == "rules[1].id"
    slot = GOOD[GOOD.index("[[certificates]]") :]
    assert refused(GOOD + slot).path == "certificates[1].slot"


def test_what_is_not_toml_or_too_large_is_an_error():
    assert "not TOML" in str(refused("id = "))
    assert "too large" in str(refused("#" * 300_000))


def test_combinations_are_of_optional_slots():
    text = GOOD.replace("[[certificates]]", '[[combinations]]\nany_of = [["one"]]\n\n[[certificates]]')
    assert refused(text).path == "combinations[0].any_of[0]"
    assert refused(text.replace('["one"]', '["two"]')).path == "combinations[0].any_of[0]"
    slot_is_optional = text.replace(
        "required = true\n\n[[certificates.any_of]]", "required = false\n\n[[certificates.any_of]]"
    )
    assert VerificationPolicy.load(slot_is_optional).combinations == ((("one",),),)


@pytest.mark.parametrize("key", ["unheard_of_" + "a" * 5000, "max_" + "A" * 5000])
def test_a_key_of_any_length_makes_a_short_error(key):
    with pytest.raises(PolicyError) as refused:
        VerificationPolicy.load(f"{key} = 1\n{GOOD}")
    assert len(str(refused.value)) < 300


def test_post_quantum_signatures_are_refused_unless_the_policy_says_otherwise():
    def policy(line=""):
        return VerificationPolicy.load(
            GOOD.replace('holder_binding = "required"', 'holder_binding = "required"' + line)
        )

    refusing, accepting = policy(), policy('\npost_quantum = "accepted"')
    requiring = policy('\npost_quantum = "required"')
    assert [one.post_quantum.value for one in (refusing, accepting, requiring)] == ["refused", "accepted", "required"]
    assert policy('\npost_quantum = "refused"').post_quantum is PostQuantum.REFUSED
    classical, modern = ("ES256", "ES384", "EdDSA"), ("ML-DSA-44", "ML-DSA-65", "ML-DSA-44-ES256", "ML-DSA-65-ES256")
    for alg in classical:
        refusing.check_algorithm(alg)
        accepting.check_algorithm(alg)
        with pytest.raises(RefusedError, match=f"{alg}: the policy takes post-quantum signatures only"):
            requiring.check_algorithm(alg)
    for alg in modern:
        accepting.check_algorithm(alg)
        requiring.check_algorithm(alg)
        with pytest.raises(RefusedError, match=f"{alg}: the policy takes no post-quantum signatures"):
            refusing.check_algorithm(alg)


@pytest.mark.parametrize("line", ['post_quantum = "yes"', "post_quantum = true", 'postquantum = "required"'])
def test_post_quantum_is_one_of_three_words(line):
    error = refused(GOOD.replace('holder_binding = "required"', f'holder_binding = "required"\n{line}'))
    assert error.path == line.split(" ", 1)[0]
