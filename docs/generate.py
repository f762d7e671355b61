"""Writes the generated pages (reasons, certificates, command line); ``--check`` only says whether they are up to date."""

from __future__ import annotations

import sys
from pathlib import Path

import spec_map
import vectors

from vcred.catalog import Catalog
from vcred.catalog.document import markdown
from vcred.cli._document import markdown as command_line
from vcred.cli._root import root
from vcred.reasons import Reason, ReasonCode

DOCS = Path(__file__).parent


def reasons() -> str:
    """The page of every reason code."""
    lines = [
        "# Reasons",
        "",
        "Every reason a check can give: a closed list, one meaning each, never renamed. REJECTED and INDETERMINATE say what the whole",
        "result becomes. Made from `vcred/i18n/reasons.toml` by `docs/generate.py`.",
        "",
        "| code | outcome | 한국어 | English | what to do |",
        "| --- | --- | --- | --- | --- |",
    ]
    for code in ReasonCode:
        reason = Reason(code)
        action = f"{reason.action('ko')}<br>{reason.action('en')}"
        lines.append(
            f"| `{code.value}` | {code.outcome.value} | {reason.message('ko')} | {reason.message('en')} | {action} |"
        )
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """Generated text by file name under docs/. ``vectors.md`` is among them where the published vectors are."""
    found = {
        "reasons.md": reasons(),
        "certificates.md": markdown(Catalog.builtin()),
        "cli.md": command_line(root),
        "spec-map.md": spec_map.markdown(),
    }
    home = vectors.vectors_home()
    if home.is_dir():
        found["vectors.md"] = vectors.markdown(home)
    return found


def main() -> int:
    """Write or check; 1 when a page is out of date."""
    stale = [
        name for name, text in pages().items() if not (DOCS / name).exists() or (DOCS / name).read_text("utf-8") != text
    ]
    if "--check" in sys.argv:
        print("\n".join(f"docs/{name} is out of date: run docs/generate.py" for name in stale))
        return bool(stale)
    for name in stale:
        (DOCS / name).write_text(pages()[name], "utf-8")
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
