"""What an attacker does to an answer: used by ``World``, by the demo and by tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vcred.formats._wire import b64u_decode, b64u_encode
from vcred.formats.known import TEXT_FORMATS, Formats
from vcred.keys import SoftwareSigner
from vcred.presentation import Presentation, Presented

if TYPE_CHECKING:
    from collections.abc import Callable

    from vcred.catalog import Catalog

__all__ = ["flip_bit", "rewrite", "swap_holder"]


def flip_bit(answer: Presentation) -> Presentation:
    """The same answer with one bit flipped in the middle of each presentation."""

    def flip(one: Presented) -> bytes:
        middle = len(one.raw) // 2
        return one.raw[:middle] + bytes((one.raw[middle] ^ 1,)) + one.raw[middle + 1 :]

    return _changed(answer, flip)


def rewrite(answer: Presentation, old: str, new: str) -> Presentation:
    """The same answer with the text of a claim that was hidden before changed (both texts of one length in UTF-8).

    Raises ``ValueError`` when ``old`` is nowhere in it; in a format that hides nothing it never is.
    """
    before, after = old.encode(), new.encode()

    def change(one: Presented) -> bytes:
        changed = (
            _in_disclosures(one.raw, before, after) if one.format in TEXT_FORMATS else one.raw.replace(before, after)
        )
        if len(before) != len(after) or changed == one.raw:
            raise ValueError("the text is not in the presentation, or the other is not as long")
        return changed

    return _changed(answer, change)


def _in_disclosures(raw: bytes, before: bytes, after: bytes) -> bytes:
    token, *disclosures, binding = raw.split(b"~") if b"~" in raw else (raw, b"")
    read = [b64u_decode(one, "disclosure").replace(before, after) for one in disclosures]
    return b"~".join((token, *(b64u_encode(one).encode() for one in read), binding)) if disclosures else raw


def swap_holder(answer: Presentation, catalog: Catalog) -> Presentation:
    """The same certificates and the same holder's statement, signed by somebody else's phone."""
    phone, formats = SoftwareSigner.generate(), Formats(catalog)

    def sign_again(one: Presented) -> bytes:
        opened = formats[one.format].open(one.raw)
        if opened.key_binding is None:
            raise ValueError("the presentation has no holder's signature to replace")
        signature = phone.sign(opened.key_binding.signing_input)
        if one.format in TEXT_FORMATS:
            return one.raw.rpartition(b".")[0] + b"." + b64u_encode(signature).encode()
        return one.raw.replace(opened.key_binding.signature, signature)

    return _changed(answer, sign_again)


def _changed(answer: Presentation, change: Callable[[Presented], bytes]) -> Presentation:
    return Presentation(
        tokens={
            query: tuple(Presented(format=one.format, raw=change(one)) for one in many)
            for query, many in answer.tokens.items()
        },
        one_way_nonce=answer.one_way_nonce,
    )
