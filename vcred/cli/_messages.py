"""Messages as files: pictures (PNG and others, one or several frames), envelope bytes, texts, or a URI.

``take`` is what every command reads a message with; ``put`` is what it writes one with.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from vcred.cli._files import read, refuse_existing, write
from vcred.errors import MalformedError
from vcred.qr.scan import is_envelope, texts_of
from vcred.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vcred.issuance import Offer
    from vcred.presentation import Presentation, PresentationRequest
    from vcred.qr import Code, HasMessage, Message

__all__ = [
    "HasBytes",
    "put",
    "put_bytes",
    "put_offer",
    "put_request",
    "read_bare",
    "refuse_taken",
    "take",
    "take_answer",
    "take_bytes",
    "take_message",
    "take_offer",
]

_MAX_ANSWER = 1024 * 1024
_PERSONAL = ("RESPONSE", "ONE_WAY", "DELIVERY", "PAPER", "PROOF", "OFFER")
"""Kinds whose files are for their owner only: they hold claims, what a credential is bound to, or the right to one."""
_SCHEMES = ("openid4vp://", "openid-credential-offer://", "vcred:")


class HasBytes(Protocol):
    """A message of issuance: it has a JSON form besides the message."""

    def to_message(self) -> Message:
        """Its message."""

    def to_bytes(self) -> bytes:
        """Its JSON."""


def take(sources: Sequence[str], *, quiet: bool = True) -> Message | str | bytes:
    """The message in files (or a URI given as such): what the ``parse`` of every message type takes.

    Frames may be spread over any number of pictures. Raises ``MalformedError``, ``OSError``.
    """
    if len(sources) == 1 and _is_uri(sources[0]):
        return sources[0]
    if not sources:
        raise click.UsageError("a message is wanted: pictures, a .bin file, a text file or a URI")
    texts: list[str] = []
    for path in _counted([Path(source) for source in sources], quiet=quiet):
        raw = read(path)
        if len(sources) == 1 and (is_envelope(raw) or raw[:1] == b"{"):
            return raw
        texts += texts_of(raw, path.name)
    if len(texts) == 1 and (_is_uri(texts[0]) or texts[0].startswith("eyJ")):
        return texts[0] if _is_uri(texts[0]) else texts[0].encode()
    from vcred.qr import decode

    try:
        return decode(texts)
    except MalformedError as error:
        if len(sources) > 1:  # no single file is to blame
            raise
        raise MalformedError(error.code, Path(sources[0]).name, error.detail) from error


def take_bytes(sources: Sequence[str], *, quiet: bool = True) -> Message | bytes:
    """The same for messages that have no URI."""
    found = take(sources, quiet=quiet)
    return found.encode() if isinstance(found, str) else found


def take_offer(sources: Sequence[str], *, quiet: bool = True) -> Offer:
    """An offer: pictures or files as above, its URI, or the JSON of a credential offer. Raises ``MalformedError``."""
    from urllib.parse import quote

    from vcred.issuance import Offer

    found = take(sources, quiet=quiet)
    if isinstance(found, bytes) and found[:1] == b"{":
        return Offer.parse(f"openid-credential-offer://?credential_offer={quote(found.strip(), safe='')}")
    return Offer.parse(found)


def take_message(sources: Sequence[str], *, quiet: bool = True) -> Message:
    """The same as a ``Message``. Raises ``MalformedError`` for a URI or a bare token."""
    from vcred.qr import Message, decode_message

    found = take(sources, quiet=quiet)
    if isinstance(found, Message):
        return found
    if isinstance(found, bytes) and is_envelope(found):
        return decode_message(found)
    raise MalformedError(ReasonCode.SCHEME, sources[0], "this is not a message of the QR profile")


def take_answer(sources: Sequence[str], *, quiet: bool = True) -> Message | Presentation | list[bytes]:
    """What a holder gave, in whatever form: ``read_bare``, else a message as above."""
    return read_bare(sources) or take_message(sources, quiet=quiet)


def read_bare(sources: Sequence[str]) -> Presentation | list[bytes]:
    """Files that are one credential or presentation each, or one with a ``vp_token`` in JSON; else an empty list.

    What a file is, its bytes say. Raises ``MalformedError``, ``OSError``.
    """
    from vcred.presentation import Presentation

    found: list[bytes] = []
    for source in sources:
        bare = None if _is_uri(source) else _bare(read(Path(source)))
        if isinstance(bare, dict) and len(sources) == 1:
            return Presentation.of(bare)
        if isinstance(bare, bytes):
            found.append(bare)
    return found if len(found) == len(sources) else []


def _bare(raw: bytes) -> dict[str, Any] | bytes | None:
    """The members of a ``vp_token``, one presentation, or ``None`` for what may be a message. Raises as above."""
    from vcred.formats._wire import parse_json
    from vcred.formats.detect import detect, detect_token

    if is_envelope(raw):
        return None
    text = raw.strip()
    if text[:1] == b"{":
        body = parse_json(text, "", max_bytes=_MAX_ANSWER)
        if isinstance(body, dict) and isinstance(body.get("vp_token"), dict):
            members: dict[str, Any] = body["vp_token"]
            return members
    try:
        if text.isascii():
            return detect_token(text.decode("ascii"))[1]
        detect(raw)
    except MalformedError:
        if text[:1] in (b"e", b"{"):  # no code of ours begins like that: it is a presentation that is wrong
            raise
        return None
    return raw


def put(what: HasMessage | Message, out: Path, *, force: bool, animated: bool | None = None) -> list[Path]:
    """Write a message to ``out`` and say which files it became.

    ``.bin``: the envelope's bytes. ``.txt``: the text of each code, one a line. ``.gif``: an animation. ``.svg`` or
    ``.png``: a picture, several if there are several codes (``out-01.png`` ...). A folder gets ``frame-01.png`` ...
    """
    from vcred.qr import Message, animation, encode, encode_message

    message = what if isinstance(what, Message) else what.to_message()
    private = message.kind.name in _PERSONAL
    suffix = out.suffix.lower()
    if suffix == ".bin":
        return [write(out, encode_message(message), force=force, private=private)]
    if suffix == ".gif":
        return [write(out, animation(encode(message, animated=True)), force=force, private=private)]
    codes = encode(message, animated=animated)
    if suffix == ".txt":
        return [write(out, "".join(f"{code.text}\n" for code in codes).encode(), force=force, private=private)]
    if suffix not in (".png", ".svg", ""):
        raise click.UsageError(f"{out.name}: a message is written as .png, .svg, .gif, .txt, .bin or into a folder")
    paths = _names(out, len(codes))
    if not force:
        refuse_existing(*paths)
    return [
        write(path, _drawn(code, path), force=force, private=private) for path, code in zip(paths, codes, strict=True)
    ]


def put_bytes(what: HasBytes, out: Path, *, force: bool) -> list[Path]:
    """Write a message of issuance: as ``put`` does, or as its JSON where a message of the QR profile is too small.

    Deliveries with many copies are larger than 64 KiB; ``.json`` always gives the JSON.
    """
    if out.suffix.lower() == ".json":
        return [write(out, what.to_bytes(), force=force, private=True)]
    if out.suffix.lower() == ".bin":
        from vcred.qr import encode_message

        try:
            raw = encode_message(what.to_message())
        except ValueError:
            raw = what.to_bytes()
        return [write(out, raw, force=force, private=True)]
    return put(what, out, force=force)


def put_offer(made: Offer, out: Path, *, force: bool) -> list[str]:
    """Write an offer as ``put`` does, or its URI as ``.uri``, or its credential offer as ``.json``; file names."""
    if out.suffix == ".uri":
        return [str(write(out, made.to_uri().encode() + b"\n", force=force, private=True))]
    if out.suffix == ".json":
        from urllib.parse import parse_qs, urlsplit

        (text,) = parse_qs(urlsplit(made.to_uri()).query)["credential_offer"]
        return [str(write(out, text.encode(), force=force, private=True))]
    return [str(path) for path in put(made, out, force=force)]


def put_request(request: PresentationRequest, out: Path, *, force: bool) -> list[Path]:
    """A request as ``put`` does it, or its URI as ``.uri``."""
    if out.suffix.lower() == ".uri":
        return [write(out, request.to_uri().encode() + b"\n", force=force)]
    return put(request, out, force=force)


def refuse_taken(out: Path, *, force: bool) -> None:
    """Exit 4 if a message could not be written to ``out`` without overwriting: asked before anything is used up."""
    if not force:
        refuse_existing(*_names(out, 1), *_names(out, 2)[:1])


def _drawn(code: Code, path: Path) -> bytes:
    return code.svg().encode() if path.suffix.lower() == ".svg" else code.png()


def _names(out: Path, count: int) -> list[Path]:
    if not out.suffix or out.is_dir():
        return [out / f"frame-{number:02}.png" for number in range(1, count + 1)]
    if count == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{number:02}{out.suffix}") for number in range(1, count + 1)]


def _is_uri(text: str) -> bool:
    return text.startswith(_SCHEMES)


def _counted(paths: list[Path], *, quiet: bool) -> Iterable[Path]:
    if quiet or len(paths) < 4:
        yield from paths
        return
    from vcred.cli._show import progress

    with progress(quiet=quiet) as bar:
        yield from bar.track(paths, description="QR")
