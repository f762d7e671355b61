"""Pages that a service renders: templates with automatic escaping, Korean and English, no script but our own files.

What a stranger wrote (names, labels) goes through ``shown``: clipped, without control or direction characters, and in a
``<bdi>`` of its own (threats WF-11, WF-12, WF-14).
"""

from __future__ import annotations

import tomllib
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["Pages", "language_of", "shown", "wants_page"]

LANGUAGES: Final = ("ko", "en")
_MAX_HEADER: Final = 256
_CLIP: Final = 120
_MARKS: Final = 4
_YEAR: Final = 365 * 86_400


def language_of(request: Request, default: str = "ko") -> str:
    """``ko`` or ``en``: what ``?lang=`` says, then the cookie ``lang``, then ``Accept-Language`` (threats CI-19)."""
    for chosen in (request.query_params.get("lang"), request.cookies.get("lang")):
        if chosen in LANGUAGES:
            return chosen
    header = request.headers.get("accept-language", "")
    if len(header) > _MAX_HEADER:
        return default
    best, found = 0.0, default
    for part in header.split(","):
        tag, _, quality = part.strip().partition(";q=")
        language = tag.strip().lower().partition("-")[0]
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        if language in LANGUAGES and weight > best:
            best, found = weight, language
    return found


def wants_page(request: Request) -> bool:
    """Whether a person looks at the answer: browsers say ``text/html`` in ``Accept``, programs do not."""
    for part in request.headers.get("accept", "").split(","):
        kind, _, quality = part.strip().lower().partition(";")
        if kind.strip() == "text/html" and quality.replace(" ", "") not in ("q=0", "q=0.0"):
            return True
    return False


def shown(text: str, limit: int = _CLIP) -> str:
    """A stranger's text as it may be shown: one line, clipped, no control or direction characters, few marks."""
    kept: list[str] = []
    marks = 0
    for character in text[: limit * 8]:
        category = unicodedata.category(character)
        marks = marks + 1 if category.startswith("M") else 0
        if character.isspace():
            kept.append(" ")
        elif category[0] != "C" and marks <= _MARKS:
            kept.append(character)
    line = " ".join("".join(kept).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


class Pages:
    """The templates of one service with its texts: ``texts.toml`` has a table ``ko`` and a table ``en``, flat."""

    def __init__(self, folder: Path, **constants: Any) -> None:
        """``folder`` has ``templates/`` and ``texts.toml``; ``constants`` are known to every template."""
        from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - only a service with pages

        shell = Path(__file__).parent / "templates"
        self._environment = Environment(
            loader=FileSystemLoader([folder / "templates", shell]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["shown"] = shown
        self._environment.globals |= constants
        texts = tomllib.loads((folder / "texts.toml").read_text(encoding="utf-8"))
        if texts["ko"].keys() != texts["en"].keys():
            raise ValueError(f"texts in one language only: {sorted(texts['ko'].keys() ^ texts['en'].keys())}")
        self._texts: dict[str, dict[str, str]] = texts

    def text(self, name: str, lang: str) -> str:
        """One text. Raises ``KeyError`` for a name that is not there."""
        return self._texts[lang][name]

    def render(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page in the language of ``request``; ``t`` in the template gives its texts by name.

        A language chosen by ``?lang=`` stays chosen.
        """
        from starlette.responses import HTMLResponse  # noqa: PLC0415 - as above

        lang = language_of(request)
        page = self._environment.get_template(template).render(
            lang=lang, t=self._texts[lang], request=request, **values
        )
        answer = HTMLResponse(page, status_code=status, headers={"Cache-Control": "no-store", "Content-Language": lang})
        if request.query_params.get("lang") in LANGUAGES:
            secure = request.url.scheme == "https"
            answer.set_cookie("lang", lang, max_age=_YEAR, path="/", secure=secure, httponly=True, samesite="lax")
        return answer
