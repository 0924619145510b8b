"""Makes `pull-request.png`: the comment of a pull request, at the width that GitHub gives it.

    python docs/pictures/pull_request.py [CHROMIUM]

Needs a Chromium (`apt-get install chromium`) and markdown-it, which the documentation has anyway. The comment
is the golden file of the tests, so that the picture shows what is true.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from markdown_it import MarkdownIt

HERE = Path(__file__).parent
COMMENT = HERE.parents[1] / "tests" / "golden" / "pull-request.md"
WIDTH, HEIGHT = 912, 1180
"""Of the window: GitHub gives the text of a comment 846 of them."""

STYLE = """
body { margin: 16px; width: 880px; background: #fff; color: #1f2328 }
body { font: 14px/1.5 "DejaVu Sans", sans-serif }
.comment { border: 1px solid #d1d9e0; border-radius: 6px; padding: 0 16px 16px }
h2 { font-size: 1.5em; border-bottom: 1px solid #d1d9e0b3; padding-bottom: .3em; margin: 16px 0 }
h3 { font-size: 1.25em; margin: 20px 0 12px }
a { color: #0969da; text-decoration: underline }
code { font: 85% "DejaVu Sans Mono", monospace }
code { background: #818b981f; border-radius: 6px; padding: .2em .4em }
pre { background: #f6f8fa; border-radius: 6px; padding: 12px; overflow: hidden; font-size: 85% }
pre code { background: none; padding: 0 }
table { border-collapse: collapse; width: max-content; max-width: 100%; margin: 0 0 16px }
th, td { border: 1px solid #d1d9e0; padding: 6px 13px }
tr:nth-child(2n) { background: #f6f8fa }
blockquote { margin: 0 0 16px; padding: 8px 16px; border-left: .25em solid #d1242f; color: #1f2328 }
blockquote .title { color: #d1242f; font-weight: 600 }
blockquote ul, ul { padding-left: 2em; margin: 4px 0 }
sub { font-size: 75% }
details { margin-bottom: 12px }
"""


def page(markdown: str) -> str:
    """The comment as GitHub shows it, more or less."""
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    html = re.sub(
        r"<blockquote>\n<p>\[!(\w)(\w+)\]",
        lambda kind: f'<blockquote>\n<p><span class="title">{kind[1]}{kind[2].lower()}</span><br>',
        html,
    )
    return f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style><div class="comment">{html}</div>'


def main(chromium: str = "chromium") -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "comment.html"
        file.write_text(page(COMMENT.read_text("utf-8")), "utf-8")
        subprocess.run(  # noqa: S603 - whose Chromium it is says who runs this
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},{HEIGHT}",
             f"--screenshot={HERE / 'pull-request.png'}", file.as_uri()],
            check=True, timeout=120,
        )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
