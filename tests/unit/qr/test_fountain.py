"""The fountain: masks, elimination, contradictions, limits."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import pytest

from vcred.errors import MalformedError
from vcred.qr.fountain import MAX_PARTS, Assembly, Frame, Source, parse_frame, part_mask
from vcred.reasons import ReasonCode

MESSAGE = b"".join(hashlib.sha256(bytes((n,))).digest() for n in range(256))


def collected(frames: list[Frame]) -> Assembly:
    assembly = Assembly(frames[0])
    for frame in frames:
        assembly.add(frame)
    return assembly


def refusal(data: bytes) -> ReasonCode:
    with pytest.raises(MalformedError) as refused:
        parse_frame(data)
    return refused.value.code


@pytest.mark.parametrize("length", [1, 2, 634, 635, 636, 1270, 1271, 8192])
def test_the_first_frames_are_the_message_in_order(length: int) -> None:
    message = MESSAGE[:length]
    source = Source(message, 635)
    frames = [source.frame(index) for index in range(source.count)]
    assert b"".join(frame.part for frame in frames)[:length] == message
    assert collected(frames).message() == message


def test_mixes_alone_give_the_message() -> None:
    source = Source(MESSAGE, 635)
    assembly = Assembly(source.frame(source.count))
    index = source.count
    while assembly.rank < source.count:
        assembly.add(source.frame(index))
        index += 1
    assert assembly.message() == MESSAGE
    assert index - source.count < source.count + 12


def test_a_frame_survives_its_bytes() -> None:
    frame = Source(MESSAGE, 635).frame(40_000)
    assert parse_frame(frame.to_bytes()) == frame


def test_masks_of_the_longest_message_complete() -> None:
    source = Source(bytes(range(256)) * 2, 4)
    assert source.count == MAX_PARTS
    assembly = Assembly(source.frame(500))
    taken = 0
    while assembly.rank < source.count:
        assembly.add(source.frame(500 + taken))
        taken += 1
    assert taken < source.count + 16
    assert assembly.message() == bytes(range(256)) * 2


def test_no_mask_is_empty_and_each_depends_on_message_and_index() -> None:
    source, other = Source(MESSAGE, 2_100), Source(MESSAGE[::-1], 2_100)
    masks = [part_mask(source.frame(index)) for index in range(4, 300)]
    assert 0 not in masks
    assert len(set(masks)) == 15
    assert masks != [part_mask(other.frame(index)) for index in range(4, 300)]


def test_a_contradiction_is_noticed_in_a_mix_too() -> None:
    source = Source(MESSAGE, 635)
    assembly = collected([source.frame(index) for index in range(source.count - 1)])
    mix = next(frame for index in range(20, 90) if not part_mask(frame := source.frame(index)) >> (source.count - 1))
    with pytest.raises(MalformedError) as refused:
        assembly.add(replace(mix, part=bytes(len(mix.part))))
    assert refused.value.code is ReasonCode.FRAME


def test_parts_that_do_not_hash_to_their_id_are_no_message() -> None:
    source = Source(MESSAGE, 635)
    frames = [source.frame(index) for index in range(source.count)]
    frames[3] = replace(frames[3], part=bytes(len(frames[3].part)))
    with pytest.raises(MalformedError) as refused:
        collected(frames).message()
    assert refused.value.code is ReasonCode.FRAME


def test_padding_that_is_not_zero_is_no_message() -> None:
    source = Source(MESSAGE[:1_001], 635)
    frames = [source.frame(0), source.frame(1)]
    frames[1] = replace(frames[1], part=frames[1].part[:-1] + b"\1")
    with pytest.raises(MalformedError) as refused:
        collected(frames).message()
    assert refused.value.code is ReasonCode.FRAME


@pytest.mark.parametrize(
    ("count", "length", "part", "code"),
    [
        (0, 10, 10, ReasonCode.FRAME),
        (1, 0, 0, ReasonCode.FRAME),
        (129, 1_000, 8, ReasonCode.LIMIT),
        (255, 65_535, 257, ReasonCode.LIMIT),
        (1, 1_249, 1_249, ReasonCode.LIMIT),
        (1, 65_535, 10, ReasonCode.LIMIT),
        (4, 5, 2, ReasonCode.FRAME),
        (2, 10, 4, ReasonCode.FRAME),
        (2, 10, 6, ReasonCode.FRAME),
    ],
)
def test_a_header_that_no_message_has_is_refused(count: int, length: int, part: int, code: ReasonCode) -> None:
    header = b"\1\2\3\4" + bytes((count,)) + length.to_bytes(2, "big") + b"\0\0"
    assert refusal(header + bytes(part)) is code


@pytest.mark.parametrize("size", range(9))
def test_less_than_a_header_is_refused(size: int) -> None:
    assert refusal(bytes(size)) is ReasonCode.FRAME


@pytest.mark.parametrize(("message", "size"), [(b"", 635), (bytes(129), 1), (bytes(65_536), 635)])
def test_a_message_without_parts_or_with_too_many_is_misuse(message: bytes, size: int) -> None:
    with pytest.raises(ValueError, match="parts"):
        Source(message, size)


@pytest.mark.parametrize("index", [-1, 65_536])
def test_an_index_outside_two_bytes_is_misuse(index: int) -> None:
    with pytest.raises(ValueError, match="index"):
        Source(b"message", 635).frame(index)


def test_ten_and_thirty_per_cent_loss_cost_about_two_and_eight_frames() -> None:
    """design.md section 4: 8 KB of 13 parts complete after about 15 and 21 frames shown."""
    source = Source(MESSAGE, 635)
    assert source.count == 13
    for loss, most in ((0.1, 16.5), (0.3, 21.5)):
        shown = []
        for seed in range(100):
            chance = random.Random(seed)
            assembly = Assembly(source.frame(0))
            index = 0
            while assembly.rank < source.count:
                if chance.random() >= loss:
                    assembly.add(source.frame(index))
                index += 1
            shown.append(index)
        assert sum(shown) / len(shown) < most
