"""Templates become text. Whatever a value says, it is text on one line, and never markup.

Tests: `tests/report/test_web_rendering.py`.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconciler.errors import ReconcilerError
from reconciler.text import clean, cut

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_TEMPLATES: Final = Path(__file__).parent / "templates"
LONGEST: Final = 1_000
"""Characters of a value that are shown."""
NAME: Final = 100
"""Characters of a name that are shown."""
PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of a page whose style the server has at `STYLE_PATH`."""
STYLE_PATH: Final = "/style.css"


def prepared() -> None:
    """ReconcilerError without the extra: to be known before something is done that is to be told of."""
    _environment()


def rendered(template: str, **values: object) -> str:
    """A page whose style is another file. ReconcilerError without the extra."""
    return _environment().get_template(template).render(**values, style=None)


def standalone(template: str, **values: object) -> str:
    """A page in one file: its style stands in it, and it may load nothing."""
    style = stylesheet()
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'none'; base-uri 'none'"
    return _environment().get_template(template).render(**values, style=style, policy=policy)


@cache
def stylesheet() -> str:
    """The style of every page."""
    return (_TEMPLATES / "style.css").read_text("utf-8")


@cache
def _environment() -> Environment:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise ReconcilerError(
            "HTML needs the package jinja2, which isn't installed",
            hint="Install it with: pip install 'reconciler[controller]'",
        ) from error
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters.update(
        name=lambda text: cut(clean(str(text)), NAME),
        count=lambda number: f"{number:,}",
        address=_address,
        ticked=_ticked,
        moment=_moment,
    )
    return made


def _shown(value: object) -> object:
    """Markup as it is; of any other text what can be seen, cut."""
    return cut(clean(value), LONGEST) if type(value) is str else value


def _address(text: str) -> Markup:
    """Where a link leads: whole, however long it is."""
    from markupsafe import escape

    return escape(text)


def _ticked(text: str) -> Markup:
    """`text` with what stands in backticks as code."""
    from markupsafe import Markup, escape

    parts = re.split(r"(`+)(.+?)(?<!`)\1(?!`)", cut(clean(text), LONGEST))
    pieces: Iterable[Markup] = (
        Markup("<code>{}</code>").format(parts[at + 1].strip()) if at % 3 == 1 else escape(part)
        for at, part in enumerate(parts)
        if at % 3 != 2
    )
    return Markup("").join(pieces)


def _moment(milliseconds: int | None, seconds: bool = False) -> Markup:
    """``Sun 2027-01-10 21:00 UTC``, with what machines read; the number where no calendar has it."""
    from markupsafe import Markup

    if milliseconds is None:
        return Markup("–")
    try:
        at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return Markup("{}").format(str(milliseconds))
    shown = at.strftime("%a %Y-%m-%d %H:%M:%S UTC" if seconds else "%a %Y-%m-%d %H:%M UTC")
    return Markup('<time datetime="{:%Y-%m-%dT%H:%M:%SZ}">{}</time>').format(at, shown)
