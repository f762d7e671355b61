"""Messages as QR codes and back: envelope, single codes, animated frames, pictures (docs/qr-profile.md).

Importing this package loads neither a QR library nor an imaging library; drawing and reading do.
"""

from __future__ import annotations

from vcred.qr.codes import Code, animation, encode, frames, text_code
from vcred.qr.display import SafeText, safe_text
from vcred.qr.message import HasMessage, Message, MessageKind, decode_message, encode_message
from vcred.qr.pack import pack_jws, unpack_jws
from vcred.qr.read import read_image, read_pdf
from vcred.qr.reader import Progress, Reader, decode

__all__ = [
    "Code",
    "HasMessage",
    "Message",
    "MessageKind",
    "Progress",
    "Reader",
    "SafeText",
    "animation",
    "decode",
    "decode_message",
    "encode",
    "encode_message",
    "frames",
    "pack_jws",
    "read_image",
    "read_pdf",
    "safe_text",
    "text_code",
    "unpack_jws",
]
