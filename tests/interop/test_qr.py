"""Codes that we draw, read by zxing-wasm."""

from __future__ import annotations

import base64
import hashlib

import pytest

from vcred.qr import Message, MessageKind, decode, encode, text_code

BYTES = b"".join(hashlib.sha256(bytes((number,))).digest() for number in range(120))


def seen(node, picture: bytes) -> list[str]:
    found = node.call("qr.read", picture=base64.b64encode(picture).decode())
    assert not [each["error"] for each in found if each["error"]]
    return [each["text"] for each in found]


@pytest.mark.parametrize("scale", [3, 8])
@pytest.mark.parametrize("size", [10, 200, 700, 1240])
def test_a_static_code(node, size, scale) -> None:
    message = Message(MessageKind.RESPONSE, {1: BYTES[:size]})
    (code,) = encode(message)
    texts = seen(node, code.png(scale=scale))
    assert texts == [code.text]
    assert decode(texts) == message


def test_the_frames_of_an_animation(node) -> None:
    message = Message(MessageKind.RESPONSE, {1: BYTES})
    codes = encode(message, animated=True)
    assert len(codes) > 1
    texts = [text for code in codes for text in seen(node, code.png(scale=4))]
    assert decode(texts) == message


def test_a_uri(node) -> None:
    code = text_code("openid-credential-offer://?credential_offer=%7B%22a%22%3A1%7D")
    assert seen(node, code.png(scale=4)) == [code.text]
