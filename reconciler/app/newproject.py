"""A small project to begin with. Nothing that is there is ever overwritten.

Tests: `tests/cli/test_cli_init.py`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Final

from reconciler import __version__
from reconciler.app.repository import repository_root
from reconciler.errors import ReconcilerError
from reconciler.text import printable
from reconciler.trust.folders import refuse_links

TEMPLATES: Final = Path(__file__).parents[1] / "templates"
"""`project/` is laid out as it is; `ci/` holds one file for each service that runs CI."""

PROJECT: Final = "reconciler.yaml"
IGNORED: Final = ".reconciler/"
CI: Final[Mapping[str, str]] = {
    "github": ".github/workflows/reconciler.yml",
    "gitlab": ".gitlab-ci.yml",
}
"""Service → where its workflow file belongs."""

Files = dict[str, str]
"""Path in the project → content."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a new project is to say; empty: that is for later."""

    url: str = ""
    """The server."""
    state: str = ""
    """Where the state is kept."""
    ci: str = "none"
    """The service that runs CI."""


def is_new(root: Path) -> bool:
    """Whether there is no project in `root` yet."""
    from reconciler.loading.walk import project_files

    return not project_files(root)


def fault_of_url(url: str) -> str | None:
    """Why `url` can't be the server of a project; None when it can."""
    from urllib.parse import urlsplit

    if not url or url == "embedded:":
        return None
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return "that isn't a URL"
    if parts.scheme not in ("https", "http") or not named:
        return "a server is named by its URL: https://pulse.example.com"
    if "@" in parts.netloc:
        return "a user name or password doesn't belong in a file: they come from the environment"
    return None


def fault_of_state(url: str, root: Path) -> str | None:
    """Why a state can't be kept at `url`; None when it can."""
    from reconciler.state.stores import open_store

    if not url:
        return None
    try:
        open_store(url, root=root)
    except ReconcilerError as error:
        # A library that is missing here may be installed where the project runs.
        return None if isinstance(error.__cause__, ImportError) else str(error)
    return None


def likely_ci(root: Path, environ: Mapping[str, str]) -> str:
    """The service whose files or address the repository has."""
    top = repository_root(root, environ)
    if (top / ".github").is_dir():
        return "github"
    if os.path.lexists(top / CI["gitlab"]):
        return "gitlab"
    try:
        told = (top / ".git" / "config").read_text("utf-8", errors="replace")
    except OSError:
        return "none"
    return next((service for service in CI if re.search(rf"(?m)^\s*url\s*=.*\b{service}\b", told)), "none")


def make_project(root: Path, answers: Answers, environ: Mapping[str, str]) -> Iterator[str]:
    """Make a project in `root`, with the workflow file of a service; what to say of it.

    The workflow file stands at the root of the repository, where alone it is run, and names the project.
    Where there is a project already, only the workflow file is made. ReconcilerError, and nothing is made,
    when there is nothing to make or something would be overwritten.
    """
    from reconciler.loading.walk import project_files

    found = project_files(root)
    _check(root, answers)
    workflow = _workflow(answers.ci, root, found, environ)
    files = {**({} if found else _project(root, answers)), **workflow}
    if not files:
        hint = "--ci github or --ci gitlab adds a workflow file to it."
        raise ReconcilerError(f"{found[0]} exists: this is a project already", hint=hint)
    there = [name for name in files if os.path.lexists(root / name)]
    if there:
        names = ", ".join(str(root / name) for name in there)
        hint = "Move it away, or choose another folder."
        raise ReconcilerError(f"nothing was made, because this would be overwritten: {names}", hint=hint)
    for name in files:
        refuse_links(root / name, root, what="a new project")
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    return _said(root, files, answers if PROJECT in files else None)


_LATER = "Correct it, or leave it out: it can be added to the project file later."


def _check(root: Path, answers: Answers) -> None:
    if fault := fault_of_url(answers.url):
        raise ReconcilerError(f"{printable(answers.url)} can't be the server: {fault}", hint=_LATER)
    if fault := fault_of_state(answers.state, root):
        raise ReconcilerError(f"the state can't be kept at {printable(answers.state)}: {fault}", hint=_LATER)


def _project(root: Path, answers: Answers) -> Files:
    """The files of a new project."""
    from reconciler.validation.schemas import schema_directory

    home = TEMPLATES / "project"
    examples = {
        path.relative_to(home).as_posix(): path.read_text("utf-8")
        for folder in ("resources", "overlays")
        for path in sorted((home / folder).rglob("*"))
        if path.is_file()
    }
    schemas = {
        f".schemas/{name}.json": (schema_directory() / f"{name}.json").read_text("utf-8")
        for name in ("Project", "resource", "overlay")
    }
    text = (home / PROJECT).read_text("utf-8").replace("PROJECT_NAME", _name(root))
    text = _answered(text, answers)
    own = _filled(root / "resources")
    if own:  # the example, which it is about, isn't made
        text = text.replace("      overlays:", "      # overlays:")
    return {
        PROJECT: text,
        **({} if own else examples),
        **(
            {}
            if os.path.lexists(root / ".gitignore")
            else {".gitignore": (home / "gitignore").read_text("utf-8")}
        ),
        **schemas,
    }


def _answered(text: str, answers: Answers) -> str:
    """The project file with what is known in the place of what it proposes."""
    if answers.url:
        lines = f"  server:\n    url: {json.dumps(answers.url)}\n"
        text = re.sub(r"(?m)^  # server:\n  #   url:.*\n", lambda _: lines, text)
        text = re.sub(r"(?m)^  #   auth:\n  #     tokenEnv: PULSE_TOKEN\n", lambda _: _AUTH, text)
    if answers.state:
        lines = f"  state:\n    url: {json.dumps(answers.state)}\n"
        text = re.sub(r"(?m)^  # The state is a file.*\n  # state:\n  #   url:.*\n", lambda _: lines, text)
    return text


_AUTH: Final = """\
    # The token is RECONCILER_TOKEN, unless it is said here:
    # auth:
    #   tokenEnv: PULSE_TOKEN
"""


def _workflow(ci: str, root: Path, found: Sequence[Path], environ: Mapping[str, str]) -> Files:
    """The workflow file, by its path from `root`; `found` are the project files that are there.

    Of a project in a folder of a repository it is for that folder: other changes don't start it, and what it
    writes stands beside what workflows of other folders write.
    """
    if ci not in CI:
        return {}
    text = (TEMPLATES / "ci" / f"{ci}.yml").read_text("utf-8")
    text = text.replace("reconciler[all]==VERSION", _package())
    top, here = repository_root(root, environ), Path(os.path.realpath(root))
    if top == here:
        there = top / CI["gitlab"]
        if ci == "gitlab" and os.path.lexists(there):
            included = _included(there)
            return {included.relative_to(top).as_posix(): _to_include(text, there, included.stem)}
        return {CI[ci]: text}
    folder = here.relative_to(top).as_posix()
    project = json.dumps(f"{folder}/{found[0].name if found else PROJECT}")
    lines = f"  RECONCILER_PROJECT: {project}\n  KEY: {json.dumps(folder)}\n"
    text = re.sub(r"(?m)^(?=  RECONCILER_PACKAGE:)", lambda _: lines, text, count=1)
    path = top / CI[ci]
    if ci == "gitlab" and os.path.lexists(path):
        included = _included(path, folder)
        text, path = _to_include(text, path, included.stem), included
    if ci == "github" and os.path.lexists(path):
        path = path.with_name(f"{path.stem}-{_slug(folder)}{path.suffix}")
    return {os.path.relpath(path, here): _for_folder(text, ci, folder, path.relative_to(top).as_posix())}


def _included(there: Path, folder: str = "") -> Path:
    """The file that the pipeline which is `there` can include."""
    more = f"-{_slug(folder)}" if folder else ""
    return there.parent / ".gitlab" / f"reconciler{more}.yml"


def _to_include(text: str, there: Path, name: str) -> str:
    """A workflow that another pipeline includes, in stages that this one has.

    Its jobs are called after `name`, and change none of the others.
    """
    check, apply = _stages(there)
    shared = re.compile(r"(?ms)^variables:\n(.*?)\ndefault:\n(.*?)\nstages:[^\n]*\n")
    text = shared.sub(
        lambda found: f".{name}:\n  variables:\n{indent(found[1], '  ')}{found[2]}", text, count=1
    )

    def job(found: re.Match[str]) -> str:
        stage = json.dumps(apply if found[2] == "apply" else check)
        return f"{name}-{found[1]}:\n  extends: .{name}\n  stage: {stage}\n"

    return re.sub(r"(?m)^([a-z]+):\n  stage: (\w+)\n", job, text)


def _stages(there: Path) -> tuple[str, str]:
    """In which stages of the pipeline that is `there` something is checked, and applied."""
    from reconciler.loading import load_text
    from reconciler.loading.walk import SourceFile, read

    data = read(SourceFile(there.name, there))
    documents = load_text(data, there.name, there).documents if isinstance(data, bytes) else ()
    said = [each for one in documents if isinstance(found := one.value.get("stages"), list) for each in found]
    stages = [each for each in said if isinstance(each, str) and each] or ["build", "test", "deploy"]
    checks = (each for each in ("check", "test", "validate") if each in stages)
    applies = (each for each in ("apply", "deploy", "release") if each in stages)
    return next(checks, stages[0]), next(applies, stages[-1])


def _for_folder(text: str, ci: str, folder: str, workflow: str) -> str:
    """A workflow that has a name of its own, and runs when something in `folder` changes."""
    text = re.sub(r"(?m)^name: reconciler$", lambda _: f"name: {json.dumps(f'reconciler {folder}')}", text)
    if set(folder) & set("*?+[]!\\"):
        return text  # signs of a pattern: it runs whatever changes
    if ci == "github":
        paths = json.dumps([f"{folder}/**", workflow])
        text = text.replace("  pull_request:\n", f"  pull_request:\n    paths: {paths}\n", 1)
        return text.replace("    branches: [main]\n", f"    branches: [main]\n    paths: {paths}\n", 1)
    changes = f"      changes: {json.dumps([f'{folder}/**/*', workflow])}\n"
    return re.sub(
        r"(?m)^    - if: (?!.*schedule)(?:>-\n(?:        .*\n)+|.*\n)", lambda rule: rule[0] + changes, text
    )


def _package() -> str:
    """What pip installs to get this version: from where it was installed itself, as far as that is known."""
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import urlsplit

    try:
        said = json.loads(distribution("reconciler").read_text("direct_url.json") or "{}")
        url, vcs = str(said.get("url", "")), said.get("vcs_info")
    except (PackageNotFoundError, ValueError, AttributeError):
        url, vcs = "", None
    if not url.startswith("https://") or "@" in urlsplit(url).netloc or '"' in url:
        return f"reconciler[all]=={__version__}"
    return (
        f"reconciler[all] @ git+{url}@{vcs['commit_id']}"
        if isinstance(vcs, dict)
        else f"reconciler[all] @ {url}"
    )


def _name(root: Path) -> str:
    """A name for the project: the folder's, as far as a name may be so."""
    return _slug(root.resolve().name)[:128] or "project"


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")


def _filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _said(root: Path, files: Files, new: Answers | None) -> Iterator[str]:
    """What was made, and what to do with it; `new`: the project is."""
    yield from (f"made {os.path.normpath(root / name)}" for name in files if not name.startswith(".schemas/"))
    if any(Path(name).name.startswith(("reconciler", ".gitlab-ci")) and name != PROJECT for name in files):
        yield "Its RECONCILER_PACKAGE is what pip installs there: see that your index or that address has it."
    for name in files:
        if Path(name).parent.name == ".gitlab":
            yield f"{CI['gitlab']} is there already, and stays as it is. Add this to it, or to its `include`:"
            yield "  include:"
            yield f"    - local: /.gitlab/{Path(name).name}"
    if new is None:
        return
    yield f"made {root / '.schemas'}/, for editors that know `# yaml-language-server: $schema=…`"
    if ".gitignore" not in files and IGNORED not in (root / ".gitignore").read_text("utf-8").split():
        yield f"Add the line {IGNORED} to {root / '.gitignore'}: the state is kept there."
    yield ""
    yield "Rehearse it on a server in its own process, without a network:"
    if root.resolve() != Path.cwd():
        yield f"  cd {shlex.quote(str(root))}"
    yield "  reconciler validate"
    yield "  reconciler plan -e rehearsal"
    yield "  reconciler apply -e rehearsal"
    yield "With gateways that do something, in two terminals (docs: Rehearse a rollout):"
    yield "  reconciler serve --simulate 600"
    yield "  export RECONCILER_URL=http://127.0.0.1:8080 RECONCILER_STATE=file:.reconciler/simulated.json"
    yield "  reconciler apply -e rehearsal && reconciler status -e rehearsal --watch"
    then = "put your own files into resources/"
    yield f"Then {then}." if new.url else f"Then name your server in {PROJECT}, and {then}."
