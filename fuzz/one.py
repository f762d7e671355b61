"""One target under libFuzzer: ``python fuzz/one.py NAME FINDINGS [libFuzzer options and folders]``.

``run.py`` starts it. A finding is written to the folder FINDINGS, named by what it is, and the search goes on; a crash,
a hang or too much memory ends it, and libFuzzer writes the input that did it.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from base64 import b64encode
from contextlib import suppress
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
with atheris.instrument_imports(include=["vcred", "verifier", "wallet", "issuer", "tuf", "securesystemslib"]):
    from fuzz import corpus_file
    from fuzz.mutate import mutate
    from fuzz.targets import TARGETS, Finding

    # What is imported late, inside functions, is imported and instrumented now.
    for seed in corpus_file.read(sys.argv[1]):
        with suppress(Finding):
            TARGETS[sys.argv[1]](seed)


def main() -> None:
    """Does not return: libFuzzer ends the process."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    target = TARGETS[name]

    def once(raw: bytes) -> None:
        try:
            target(raw)
        except Finding as found:
            path = folder / f"{hashlib.sha256(found.where.encode()).hexdigest()[:12]}.json"
            if not path.exists() or len(json.loads(path.read_text())["input"]) > len(b64encode(raw)):
                about = {"target": name, "where": found.where, "detail": found.detail}
                path.write_text(json.dumps(about | {"input": b64encode(raw).decode()}))

    def custom(raw: bytes, max_size: int, seed: int) -> bytes:
        return mutate(raw, max_size, random.Random(seed), atheris.Mutate)

    atheris.Setup([sys.argv[0], *sys.argv[3:]], once, custom_mutator=custom)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
