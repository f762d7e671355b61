"""A bank's verifier service with its pages on loopback with TLS, and a town's wallet to answer it, at the real time."""

from __future__ import annotations

import hashlib
import io
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from tests.services.kit import HOST, TestAuthority, listening, served
from vcred.qr import read_image
from vcred.testing import World
from verifier import Verifier
from verifier.server.app import create_app
from verifier.server.parts import load_policies
from verifier.server.settings import VerifierServerSettings
from verifier.server.store import VerifierStore
from wallet.client import Online

if TYPE_CHECKING:
    from pathlib import Path

KEY = "a-key-for-the-desk-of-the-bank"
OTHER_KEY = "a-key-for-another-department"
POLICY = "bank.address-change"
HOUSEHOLD = "resident.household"


class Counter:
    """The service, open on ``url``, and ``world``, whose wallet holds a 등본."""

    def __init__(self, folder: Path, *, path: str = "/vp", **settings: Any) -> None:
        self.world = World(at=datetime.now(UTC).replace(microsecond=0), formats=("dc+sd-jwt", "sd-cwt"))
        self.world.issue(HOUSEHOLD, options={"names": True})
        self.tls = TestAuthority(folder)
        self._socket, port = listening()
        self.url = f"https://{HOST}:{port}{path}"
        key = folder / "storage.key"
        key.write_text("ab" * 32)
        keys = [{"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest()} for name, key in (("desk", KEY), ("other", OTHER_KEY))]  # fmt: skip
        self.settings = VerifierServerSettings.model_validate(
            {
                "base_url": self.url,
                "development": True,
                "database": f"sqlite:///{folder / 'verifier.db'}",
                "storage_key": key,
                "api_keys": keys,
                **settings,
            }
        )
        self.store = VerifierStore(self.settings.database.get_secret_value(), key=bytes.fromhex("ab" * 32))
        self.verifier = Verifier(self.world.trust, self.world.identity, self.store)
        self.app = create_app(
            self.settings,
            verifier=self.verifier,
            policies=load_policies(self.settings, self.world.trust),
            store=self.store,
            http=self.tls.http(),
            clock=lambda: datetime.now(UTC),
        )
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.callback(self.store.close)
        self._open.enter_context(served(self.app, at=self._socket, tls=self.tls.server()))
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def revoke(self) -> None:
        """The agency revokes the 등본, and the desk hears of it."""
        self.world.revoke(HOUSEHOLD)
        self.verifier.trust = self.world.trust

    def scan(self, page: Any) -> str:
        """What a phone reads from the QR code on the screen."""
        (text,) = read_image(page.locator(".qr").screenshot())
        return text

    def answer(self, link: str) -> Any:
        """The wallet of the town, with its network: look, fetch, agree, answer."""
        self.world.at = datetime.now(UTC)
        self.world.wallet.trust = self.world.trust
        online = Online(self.world.wallet, http=self.tls.http(), clock=lambda: datetime.now(UTC), development=True)
        asked = online.fetch_request(online.look_request(link))
        return asked.answer(asked.consent.approve(reuse=True))


def picture(codes: Any) -> bytes:
    """QR codes in one picture, as a clerk's camera takes it."""
    from PIL import Image

    drawn = [Image.open(io.BytesIO(one.png(scale=6))).convert("RGB") for one in codes]
    sheet = Image.new("RGB", (max(one.width for one in drawn), sum(one.height for one in drawn)), "white")
    top = 0
    for one in drawn:
        sheet.paste(one, (0, top))
        top += one.height
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def film(path: Path, codes: Any, *, size: tuple[int, int] = (800, 600), rate: int = 4, before: int = 2) -> Path:
    """Codes one after another before a camera, as a file that Chromium takes for one; it begins again at its end.

    At first, for ``before`` frames, there is nothing to be seen.
    """
    from PIL import Image

    width, height = size
    grey = bytes([128]) * (width * height // 2)
    empty = Image.new("L", size, 90)
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n" % (width, height, rate))
        for one in [None] * before + list(codes):
            frame = empty.copy()
            if one is not None:
                code = Image.open(io.BytesIO(one.png(scale=5))).convert("L")
                code.thumbnail((width - 20, height - 20))
                frame.paste(code, ((width - code.width) // 2, (height - code.height) // 2))
            file.write(b"FRAME\n" + frame.tobytes() + grey)
    return path
