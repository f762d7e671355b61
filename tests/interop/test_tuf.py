"""A repository that we publish, fetched by TUF clients who know nothing of us: python-tuf's own updater, and tuf-js.

Both read the clock of the machine and are told of no other, so the repository is published at this moment.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tuf.api.exceptions import BadVersionNumberError, LengthOrHashMismatchError, RepositoryError
from tuf.ngclient import Updater, UpdaterConfig

from tests.interop.kit import PeerError
from tests.sync_source import serving
from tests.trust_town import CITY_LIST, Agency, Town
from vcred.keys import SoftwareSigner
from vcred.status import StatusList, build_status_token, parse_status_token
from vcred.trust.content import status_file
from vcred.trust.publish import PackBuilder
from vcred.trust.repository import Lifetimes, Repository
from vcred.trust.roles import RoleKeys

pytestmark = pytest.mark.loopback
NAMES = {"ko": "시험 목록", "en": "Test list"}


class Ministry:
    """A repository with two of three officers, an online key, and a list of statuses."""

    def __init__(self, folder) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.town = Town()
        self.officers, self.online = [SoftwareSigner.generate() for _ in range(3)], SoftwareSigner.generate()
        self.repository = Repository.create(
            folder, name=NAMES, production=True, roles=self.roles(self.officers), lifetimes=Lifetimes(), at=self.now
        )
        self.publish()

    def roles(self, officers):
        two = RoleKeys(keys=tuple(each.public_key for each in officers), threshold=2)
        return {"root": two, "targets": two, "online": RoleKeys(keys=(self.online.public_key,), threshold=1)}

    def token(self) -> bytes:
        city: Agency = self.town.city
        return build_status_token(
            uri=CITY_LIST,
            status_list=StatusList.build(bits=2, size=4096, values={7: 1}),
            signer=city.status_key,
            issued_at=self.now - timedelta(hours=1),
            expires_at=self.now + timedelta(days=9),
            ttl=None,
            form="cwt",
        )

    def publish(self, *, readers: bool = False) -> None:
        builder = PackBuilder(production=True, name=NAMES)
        builder.add_authority(**self.town.city.entry())
        if readers:
            builder.add_reader(certificate=self.town.bank, name=NAMES, policies=["bank.address-change"], test=False)
        self.repository.stage(builder, at=self.now)
        for officer in self.officers[:2]:
            self.repository.sign(officer)
        self.repository.publish([self.online], status=[self.token()], at=self.now)

    @property
    def names(self) -> list[str]:
        return [*(self.repository.published_files() or ()), status_file(CITY_LIST)]

    @property
    def published(self):
        return self.repository.folder / "published"

    def contents(self) -> dict[str, bytes]:
        bundle = {status_file(CITY_LIST): self.token()}
        return bundle | (self.repository.published_files() or {})


class PythonTuf:
    """python-tuf's updater, in a folder of its own."""

    def __init__(self, home, root: bytes) -> None:
        self.home, self.root = home, root
        (home / "targets").mkdir(parents=True)

    def download(self, url: str, names: list[str]) -> dict[str, bytes | None]:
        updater = Updater(
            str(self.home), url + "metadata/", str(self.home / "targets"), url + "targets/",
            config=UpdaterConfig(), bootstrap=self.root,
        )  # fmt: skip
        updater.refresh()
        found: dict[str, bytes | None] = {}
        for name in names:
            info = updater.get_targetinfo(name)
            found[name] = None if info is None else Path(updater.download_target(info)).read_bytes()
        return found


class TufJs:
    """tuf-js, in a folder of its own."""

    def __init__(self, home, root: bytes, node) -> None:
        self.home, self.node = home, node
        home.mkdir()
        (home / "root.json").write_bytes(root)

    def download(self, url: str, names: list[str]) -> dict[str, bytes | None]:
        found = self.node.call("tuf.download", home=str(self.home), url=url, names=names)
        return {name: None if text is None else base64.b64decode(text) for name, text in found.items()}


@pytest.fixture
def ministry(tmp_path) -> Ministry:
    return Ministry(tmp_path / "ministry")


@pytest.fixture(params=["python-tuf", "tuf-js"])
def client(request, ministry, tmp_path):
    root = ministry.repository.first_root.read_bytes()
    if request.param == "python-tuf":
        return PythonTuf(tmp_path / "client", root)
    return TufJs(tmp_path / "client", root, request.getfixturevalue("node"))


def test_every_file_and_status_list_is_found(ministry, client) -> None:
    with serving(ministry.published) as server:
        found = client.download(server.url, [*ministry.names, "status/none.cwt", "none"])
    contents = ministry.contents()
    status = status_file(CITY_LIST)
    assert found.pop("status/none.cwt") is None
    assert found.pop("none") is None
    assert found.keys() == contents.keys()
    assert {name: raw for name, raw in found.items() if name != status} == {
        name: raw for name, raw in contents.items() if name != status
    }
    assert parse_status_token(found[status]).status_list.get(7) == 1


def test_a_new_list_and_a_rotated_root_are_followed(ministry, client) -> None:
    with serving(ministry.published) as server:
        client.download(server.url, [])
        ministry.publish(readers=True)
        ministry.officers = [*ministry.officers[1:], SoftwareSigner.generate()]
        ministry.repository.rotate(ministry.roles(ministry.officers), at=ministry.now)
        ministry.publish(readers=True)
        found = client.download(server.url, ministry.names)
    assert b"bank.address-change" in b"".join(raw for raw in found.values() if raw)
    held = json.loads((ministry.published / "metadata/2.root.json").read_bytes())
    assert held["signed"]["version"] == 2


def test_a_changed_file_is_refused(ministry, client) -> None:
    (path,) = (ministry.published / "targets").glob("*.authorities.json")
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    with serving(ministry.published) as server, pytest.raises((LengthOrHashMismatchError, PeerError)):
        client.download(server.url, ["authorities.json"])


def test_an_older_state_is_refused(ministry, client) -> None:
    timestamp = ministry.published / "metadata/timestamp.json"
    older = timestamp.read_bytes()
    with serving(ministry.published) as server:
        ministry.publish(readers=True)
        client.download(server.url, [])
        timestamp.write_bytes(older)
        with pytest.raises((BadVersionNumberError, RepositoryError, PeerError)):
            client.download(server.url, [])
