"""One builder per kind of household of korea.md 4.5. Each adds one home to the world; a weekend couple adds two."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from issuer.fictitious.names import Surname, draw_address, draw_base, draw_given, draw_surname
from issuer.fictitious.world import Being, Home, Member, Move, World

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BUILDERS", "KINDS", "WEIGHTS"]

_YEAR = timedelta(days=365)
_RECENT = date(2014, 1, 2)
"""Last changes happen after the renaming of the roads, so that they are the last ones."""


def _home(world: World, kind: str, since: date, *, formed_by: str = "move_in", town: bool = True) -> Home:
    """An empty home that was formed on ``since`` and has moved a few times; the last address is in the town."""
    home = Home(kind=kind, formed_by=formed_by)
    days = (world.today - since).days
    wanted = min(world.rng.randint(0, 3), days // 900)
    cuts = sorted(world.rng.sample(range(300, days - 60), wanted)) if wanted else []
    starts = [since, *(since + timedelta(days=cut) for cut in cuts)]
    for number, on in enumerate(starts, start=1):
        last = number == len(starts)
        home.moves.append(Move(on=on, address=draw_address(world.rng, town=town and last)))
    if len(starts) > 1:
        home.formed_by = "move_in"
    world.homes.append(home)
    return home


def _join(world: World, home: Home, being: Being, relation: str, on: date | None = None) -> None:
    """Enter ``being`` in the register: by birth where that is later than the home, otherwise from a parental home."""
    joined = max(on or home.moves[0].on, home.moves[0].on)
    if being.birth >= joined:
        member = Member(being=being, relation=relation, joined=being.birth, reason="birth")
    else:
        member = Member(being=being, relation=relation, joined=joined, reason="move_in")
        came = world.day(being.birth, being.birth + (joined - being.birth) / 2)
        holder = being.parents.get("father") or being.parents.get("mother") or being
        as_child = "child" if came >= date(2016, 8, 1) else "offspring"
        role = "head" if holder is being else as_child
        if being.nationality is None:
            member.before = (draw_address(world.rng, town=False), came, holder.name, role)
    being.home = home
    home.members.append(member)


def _pair(world: World, *, youngest: int, oldest: int, foreign: bool = False) -> tuple[Being, Being, date]:
    """A head, a spouse and the day of their marriage, at least a year ago."""
    rng = world.rng
    age = rng.randint(youngest, oldest)
    head_sex = "male" if foreign or rng.random() < 0.75 else "female"
    head = world.with_parents(world.person(birth=world.born(age), sex=head_sex))
    birth, sex = world.born(max(age + rng.randint(-4, 2), 24)), "female" if head_sex == "male" else "male"
    if foreign:
        spouse = world.foreigner(birth=birth, sex=sex)
    else:
        spouse = world.with_parents(world.person(birth=birth, sex=sex, surname=_other(world, head.surname)))
    adult = max(head.birth, spouse.birth) + 22 * _YEAR
    on = world.day(adult, min(adult + 6 * _YEAR, world.today - 2 * _YEAR))
    world.marry(head, spouse, on=on)
    return head, spouse, on


def _children(world: World, one: Being, other: Being, after: date, count: int, *, kin: bool = False) -> list[Being]:
    """Up to ``count`` children born after ``after``, the first always."""
    father, mother = (one, other) if one.sex == "male" else (other, one)
    births, birth = list[date](), after + timedelta(days=world.rng.randint(290, 500))
    while len(births) < count and birth < world.today - timedelta(days=40):
        births.append(birth)
        birth += timedelta(days=world.rng.randint(500, 1300))
    return [world.child(father, mother, birth=birth, kin=kin) for birth in births]


def _couple_home(world: World, kind: str, head: Being, spouse: Being, on: date) -> Home:
    home = _home(world, kind, on + timedelta(days=world.rng.randint(0, 30)), formed_by="marriage")
    _join(world, home, head, "head")
    _join(world, home, spouse, "spouse")
    return home


def _alone(world: World, kind: str, youngest: int, oldest: int) -> Being:
    head = world.with_parents(
        world.person(birth=world.born(world.rng.randint(youngest, oldest)), sex=world.rng.choice(("male", "female")))
    )
    since = world.day(head.birth + 20 * _YEAR, min(head.birth + 40 * _YEAR, world.today - _YEAR))
    _join(world, _home(world, kind, since, formed_by="branch"), head, "head")
    return head


def _single(world: World) -> None:
    _alone(world, "single", 25, 60)


def _couple(world: World) -> None:
    head, spouse, on = _pair(world, youngest=30, oldest=72)
    _couple_home(world, "couple", head, spouse, on)
    if head.age(world.today) >= 58:
        _children(world, head, spouse, on, 2, kin=True)


def _family(world: World, kind: str, children: int, *, foreign: bool = False) -> Home:
    head, spouse, on = _pair(world, youngest=34, oldest=48, foreign=foreign)
    home = _couple_home(world, kind, head, spouse, on)
    for child in _children(world, head, spouse, on, children):
        _join(world, home, child, "child")
    return home


def _couple_children(world: World) -> None:
    _family(world, "couple_children", world.rng.choice((1, 2, 2, 3)))


def _other(world: World, surname: Surname | None) -> Surname:
    other = draw_surname(world.rng)
    while surname is not None and other.hangul == surname.hangul:
        other = draw_surname(world.rng)
    return other


def _divorced(world: World, sex: str | None = None) -> tuple[Being, Being, date, date]:
    """A parent, the former spouse (elsewhere), and the days of marriage and divorce, six to ten years apart."""
    head = world.with_parents(
        world.person(birth=world.born(world.rng.randint(38, 50)), sex=sex or world.rng.choice(("male", "female")))
    )
    former = world.person(
        birth=world.born(head.age(world.today)),
        sex="female" if head.sex == "male" else "male",
        surname=_other(world, head.surname),
        kin=True,
    )
    on = world.day(head.birth + 24 * _YEAR, head.birth + 26 * _YEAR)
    ended = world.day(on + 6 * _YEAR, on + 8 * _YEAR)
    world.marry(head, former, on=on, ended=ended)
    return head, former, on, ended


def _entrust(child: Being, holder: Being, on: date) -> None:
    """A divorce decides on parental authority over a child who is a minor then."""
    if child.age(on) < 19:
        child.custody.append(("sole_custody", holder, "father" if holder.sex == "male" else "mother", on))


def _single_parent(world: World) -> None:
    head, former, on, ended = _divorced(world)
    home = _home(world, "single_parent", ended + timedelta(days=20), formed_by="divorce")
    _join(world, home, head, "head")
    for child in _children(world, head, former, on, world.rng.randint(1, 2)):
        _entrust(child, head, ended)
        _join(world, home, child, "child")


def _grandparent(world: World) -> None:
    grandmother = world.with_parents(world.person(birth=world.born(world.rng.randint(64, 74)), sex="female"))
    grandfather = world.person(birth=grandmother.birth - 2 * _YEAR, sex="male", kin=True)
    on = grandmother.birth + 23 * _YEAR
    world.marry(grandfather, grandmother, on=on)
    son = world.child(grandfather, grandmother, birth=on + _YEAR, kin=True)
    home = _home(world, "grandparent", on + 2 * _YEAR)
    _join(world, home, grandmother, "head")
    grandfather.died_on = world.day(on + 20 * _YEAR, on + 30 * _YEAR)
    mother = world.kin(son.birth + 27 * _YEAR, "female", None, None)
    relation = "grandchild" if son.sex == "male" else "daughters_child"
    father, mother = (son, mother) if son.sex == "male" else (world.kin(mother.birth, "male", None, None), son)
    grandchild = world.child(father, mother, birth=world.born(world.rng.randint(8, 15)))
    _join(world, home, grandchild, relation, world.day(grandchild.birth + _YEAR, world.today - _YEAR))


def _three_generations(world: World) -> None:
    home = _family(world, "three_generations", 2)
    head = home.head
    role = "mother"
    elder = head.parents[role]
    elder.died_on = None
    resident = world.person(birth=max(elder.birth, head.birth - 30 * _YEAR), sex="female")
    world.with_parents(resident)
    head.parents[role] = resident
    world.people.remove(elder)
    _join(world, home, resident, role, home.here_since)
    world.marry(head.parents["father"], resident, on=head.birth - _YEAR)


def _remarried(world: World, kind: str = "remarried") -> Being:
    """A household with a child of the spouse's former marriage and one of this; returns the spouse's child."""
    spouse, former, first, ended = _divorced(world, "female")
    surname = _other(world, former.surname)
    head = world.with_parents(world.person(birth=spouse.birth - _YEAR, sex="male", surname=surname))
    on = world.day(ended + _YEAR, ended + 2 * _YEAR)
    world.marry(head, spouse, on=on)
    home = _couple_home(world, kind, head, spouse, on)
    stepchild = _children(world, former, spouse, first, 1)[0]
    _entrust(stepchild, spouse, ended)
    if world.rng.random() < 0.6:
        for child in _children(world, head, spouse, on, 1):
            _join(world, home, child, "child")
    _join(world, home, stepchild, "spouses_child")
    return stepchild


def _remarried_plain(world: World) -> None:
    _remarried(world)


def _adopted(world: World) -> None:
    head, spouse, on = _pair(world, youngest=38, oldest=48)
    home = _couple_home(world, "adopted", head, spouse, on)
    birth = max(on + 2 * _YEAR, world.born(12))
    child = world.child(*((head, spouse) if head.sex == "male" else (spouse, head)), birth=birth)
    child.base = draw_base(world.rng)
    child.parents["birth_mother"] = world.kin(birth, "female", None, None)
    child.parents["birth_father"] = world.kin(birth, "male", child.surname, child.base)
    _join(world, home, child, "child", world.day(birth + timedelta(days=200), birth + 2 * _YEAR))
    member = home.members[-1]
    member.joined, member.reason = world.day(birth + timedelta(days=200), birth + 2 * _YEAR), "move_in"
    member.before = (draw_address(world.rng, town=False), birth, child.parents["birth_mother"].name, "child")
    if birth < date(2016, 8, 1):
        member.before = (*member.before[:3], "offspring")


def _multicultural(world: World) -> None:
    _family(world, "multicultural", world.rng.randint(1, 2), foreign=True)


def _weekend_couple(world: World) -> None:
    home = _family(world, "weekend_couple", world.rng.randint(1, 2))
    away = home.members.pop(1)
    since = world.day(home.moves[0].on + timedelta(days=200), world.today - timedelta(days=100))
    second = Home(kind="weekend_couple", formed_by="split")
    second.moves.append(Move(on=since, address=draw_address(world.rng, town=False)))
    world.homes.append(second)
    _join(world, second, away.being, "head")
    second.members[0].before = (home.moves[0].address, home.moves[0].on, home.head.name, _dated_spouse(away, home))


def _dated_spouse(member: Member, home: Home) -> str:
    if home.moves[0].on >= date(2016, 8, 1):
        return "spouse"
    return "wife" if member.being.sex == "female" else "husband"


def _cohabitants(world: World) -> None:
    head = _alone(world, "cohabitants", 27, 50)
    home = head.home
    assert home is not None
    other = world.with_parents(world.person(birth=world.born(world.rng.randint(25, 50)), sex=head.sex))
    _join(world, home, other, "cohabitant", max(home.here_since, world.today - 2 * _YEAR))


def _in_state(world: World, kind: str, state: str) -> None:
    head = _alone(world, kind, 30, 62)
    assert head.home is not None
    head.home.state = head.state = state
    head.state_since = world.day(max(head.home.here_since + timedelta(days=30), _RECENT), world.today)


def _unknown_residence(world: World) -> None:
    _in_state(world, "unknown_residence", "residence_unknown")


def _emigrated(world: World) -> None:
    _in_state(world, "emigrated", "deleted")


def _overseas_national(world: World) -> None:
    _in_state(world, "overseas_national", "overseas")


def _deceased(world: World) -> None:
    head, spouse, on = _pair(world, youngest=50, oldest=70)
    home = _couple_home(world, "deceased", head, spouse, on)
    for child in _children(world, head, spouse, on, 1):
        _join(world, home, child, "child")
    dead, survivor = home.members[0], home.members[1]
    earliest = max(home.here_since + timedelta(days=30), dead.being.birth + 40 * _YEAR, _RECENT)
    dead.being.died_on = world.day(earliest, world.today)
    dead.being.state, dead.being.state_since = "deleted", min(dead.being.died_on + timedelta(days=10), world.today)
    home.members[:2] = [survivor]
    survivor.relation = "head"
    home.members.append(dead)
    home.head_since = dead.being.state_since


def _name_changed(world: World) -> None:
    head = _alone(world, "name_changed", 28, 55)
    assert head.surname is not None
    old = head.surname.hangul + draw_given(world.rng).hangul
    if old == head.name:
        old += "별"
    head.renamed = (world.day(head.birth + 21 * _YEAR, head.birth + 27 * _YEAR), old, head.name)


def _surname_changed(world: World) -> None:
    child = _remarried(world, "surname_changed")
    assert child.home is not None
    stepfather, surname = child.home.head, child.surname
    assert stepfather.surname is not None
    assert surname is not None
    given = child.name.removeprefix(surname.hangul)
    given_hanja = (child.hanja or "").removeprefix(surname.hanja)
    on = world.day(child.home.moves[0].on + timedelta(days=60), child.home.moves[0].on + 3 * _YEAR)
    new = stepfather.surname.hangul + given
    child.renamed = (on, child.name, new)
    child.name, child.hanja = new, stepfather.surname.hanja + given_hanja
    child.surname, child.clan = stepfather.surname, stepfather.clan


BUILDERS: dict[str, Callable[[World], None]] = {
    "couple_children": _couple_children,
    "single": _single,
    "couple": _couple,
    "single_parent": _single_parent,
    "grandparent": _grandparent,
    "three_generations": _three_generations,
    "remarried": _remarried_plain,
    "adopted": _adopted,
    "multicultural": _multicultural,
    "weekend_couple": _weekend_couple,
    "cohabitants": _cohabitants,
    "unknown_residence": _unknown_residence,
    "deceased": _deceased,
    "emigrated": _emigrated,
    "overseas_national": _overseas_national,
    "name_changed": _name_changed,
    "surname_changed": _surname_changed,
}
KINDS = tuple(BUILDERS)
WEIGHTS = (30, 26, 14, 6, 2, 4, 3, 1, 4, 2, 2, 1, 3, 1, 1, 2, 1)
