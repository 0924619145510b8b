"""The blocks of a page, and a page played as printed: its files are saved, its commands run."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a page. ``language``: bash is run, yaml that begins with ``# path`` is a file."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """Where it is to be saved."""
        found = re.match(r"# ([\w./-]+\.(?:yaml|yml))\n", self.text)
        return found[1] if found and self.language == "yaml" else None


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        yield Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])


@dataclass(frozen=True, slots=True)
class Played:
    """What a page's commands printed, in all, and the first that failed."""

    output: str
    failed: str | None


def play(
    page: Path,
    folder: Path,
    changes: Mapping[str, str],
    *,
    instead: Mapping[str, str] = MappingProxyType({}),
    **environ: str,
) -> Played:
    """Save and run what `page` says, in `folder`, in one shell.

    `changes`: text of the page → what stands for it here (an address). `instead`: a word of a block of `sh`,
    which needs what no test has → what is run for that block. A `reconciler serve` goes on in the background
    until the end, as in a terminal of its own.
    """
    script = ["set -e", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for block in blocks(page):
        text = block.text
        for old, new in changes.items():
            text = text.replace(old, new)
        if block.file:
            script.append(f"mkdir -p $(dirname {block.file})")
            script.append(f"cat > {block.file} <<'END-OF-FILE'\n{text}END-OF-FILE")
        elif block.language == "bash":
            script += [f"echo '$ line {block.line}'", *_commands(text)]
        elif block.language == "sh":
            script += [command for word, command in instead.items() if word in text]
    path = folder / "page.sh"
    path.write_text("\n".join(script) + "\n", encoding="utf-8")
    process = subprocess.Popen(
        ["bash", "-x", path],
        cwd=folder,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=200)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return Played(output, "it did not end")
    return Played(output, f"exit {process.returncode}" if process.returncode else None)


def _commands(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("reconciler serve"):
            yield f"{line} > serve.log &"
            yield "until grep -q http serve.log; do sleep 0.1; done"
        else:
            yield line
