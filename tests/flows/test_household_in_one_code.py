"""A household certificate of four people, head's name and address disclosed, bound to a challenge: one code, camera-proof."""

from __future__ import annotations

import io
import random
from datetime import UTC, datetime

import pytest
from PIL import Image, ImageFilter

from tests.wallet_kit import policy
from vcred import Presentation, qr
from vcred.testing import World
from verifier import VerificationPolicy

AT = datetime(2026, 9, 26, 3, 0, tzinfo=UTC)
CLAIMS = ("householder.name", "currentAddress.road")
POLICY = policy("test.head-and-address", ("home", "resident.household", CLAIMS, (), True))


@pytest.fixture(scope="module")
def shown():
    world = World(at=AT, policies=[POLICY])
    world.issue("resident.household", options={"addressHistory": "last5", "rrnBack": "own", "cohabitants": True})
    assert len(world.records.fetch("resident.household", "sample", at=AT)["members"]) == 4
    request = world.request(VerificationPolicy.load(POLICY))
    codes = qr.encode(world.present(request))
    return world, request, codes


def test_it_is_one_code_of_version_25_or_less(shown):
    _, _, codes = shown
    assert len(codes) == 1
    assert codes[0].version <= 25


def turned(code, seed, blur, side=1080, wide=760):
    """The code as a phone sees it: turned, seen at an angle, blurred, noisy, compressed."""
    chance = random.Random(seed)
    with Image.open(io.BytesIO(code.png(scale=8))) as drawn:
        tile = drawn.convert("L").resize((wide, wide), Image.Resampling.BICUBIC)
    picture = Image.new("L", (side, side), 235)
    picture.paste(tile, ((side - wide) // 2, (side - wide) // 2))
    picture = picture.rotate(chance.uniform(-8, 8), resample=Image.Resampling.BICUBIC, fillcolor=235)
    tilt = [chance.uniform(-0.065, 0.065) / side for _ in range(2)]
    picture = picture.transform(
        (side, side), Image.Transform.PERSPECTIVE, (1, 0, 0, 0, 1, 0, *tilt), Image.Resampling.BICUBIC, fillcolor=235
    )
    picture = picture.filter(ImageFilter.GaussianBlur(blur))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=70)
    return out.getvalue()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("blur", [1.0, 2.0])
def test_a_camera_reads_it(shown, seed, blur):
    _, _, (code,) = shown
    (text,) = qr.read_image(turned(code, seed, blur))
    answer = Presentation.parse(qr.decode([text]))
    assert answer.tokens


def test_the_bank_accepts_what_the_camera_read(shown):
    world, request, (code,) = shown
    result = world.verify(Presentation.parse(qr.decode(qr.read_image(turned(code, 7, 1.5)))), request)
    assert result
    claims = result.claims["resident.household"]
    assert claims["householder"]["name"] == "김가람"
    assert "members" not in claims


def test_an_independent_decoder_reads_it_after_blur_rotation_and_perspective(shown):
    """OpenCV's decoder shares no code with ours. A pose or two may escape it; what it reads must be right."""
    cv2 = pytest.importorskip("cv2", reason="opencv-python-headless is not installed")
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    _, _, (code,) = shown
    read = []
    for seed in range(12):
        pixels = numpy.frombuffer(turned(code, seed, 0.8), dtype=numpy.uint8)
        picture = cv2.imdecode(pixels, cv2.IMREAD_GRAYSCALE)
        read.append(cv2.QRCodeDetectorAruco().detectAndDecode(picture)[0])
    assert set(read) - {""} == {code.text}
    assert read.count(code.text) >= 8
