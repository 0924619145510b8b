"""What words of the command line complete to. A mistake in a file is no reason to fail.

Tests: `tests/cli/test_cli_completion.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

import click
from click.shell_completion import CompletionItem

from reconciler.cli.flags import Flags
from reconciler.cli.running import workspace
from reconciler.loading import Document
from reconciler.loading.walk import SUFFIXES
from reconciler.model import Kind, ResourceId
from reconciler.project import LoadedProject

LARGEST: Final = 1_000_000
"""Bytes; a larger file surely holds ids, and would keep a person waiting."""


def campaigns(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Declared campaigns, as ``Campaign/NAME``."""
    del parameter
    return _items(
        lambda: (str(each) for each in _declared(_project(context)) if each.kind is Kind.CAMPAIGN), incomplete
    )


def rollouts(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Declared campaigns, by their name."""
    del parameter
    declared = _declared(_project(context))
    return _items(lambda: (each.name for each in declared if each.kind is Kind.CAMPAIGN), incomplete)


def resources(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Declared resources, as ``KIND/NAME``."""
    del parameter
    return _items(lambda: map(str, _declared(_project(context))), incomplete)


def environments(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The environments of the project file."""
    del parameter
    return _items(lambda: _project(context, within=False).environments, incomplete)


def files(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files and folders: the shell knows them."""
    del context, parameter
    return [CompletionItem(incomplete, type="file")]


def resource_files(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """YAML files and folders, none of them hidden: what a PATH may be.

    Of a folder that alone fits, what is in it fits, too: so no shell takes it for the end of the word.
    """
    del context, parameter
    try:
        found = _entries(incomplete)
        if len(found) == 1 and found[0].endswith("/"):
            found += _entries(found[0])
        return [CompletionItem(each) for each in found]
    except OSError:
        return []


def _entries(beginning: str) -> list[str]:
    """The YAML files and folders whose paths begin so."""
    folder, _, name = beginning.rpartition("/")
    above = f"{folder}/" if "/" in beginning else ""
    with os.scandir(above or ".") as entries:
        found = [(entry.name, entry.is_dir()) for entry in entries]
    return sorted(
        f"{above}{each}{'/' if is_folder else ''}"
        for each, is_folder in found
        if each.startswith(name)
        and not each.startswith(".")
        and (is_folder or each.lower().endswith(SUFFIXES))
    )


def guards(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The guards that may be waived, and aren't yet."""
    from reconciler.cli.options import waivable

    taken = context.params.get(parameter.name or "") or ()
    return _items(lambda: (str(each) for each in waivable() if each not in taken), incomplete)


def labels(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Labels of declared campaigns, as ``KEY=VALUE``."""
    del parameter
    return _items(lambda: sorted(set(_labels(_project(context)))), incomplete)


def folders(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Folders: the shell knows them."""
    del context, parameter
    return [CompletionItem(incomplete, type="dir")]


def schemas(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What there are schemas of."""
    del context, parameter
    from reconciler.validation.schemas import schema_names

    return _items(schema_names, incomplete)


def fields(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Kinds, then the fields of what is written so far."""
    if "." not in incomplete:
        return schemas(context, parameter, incomplete)
    before = incomplete.rpartition(".")[0]
    return _items(lambda: (f"{before}.{name}" for name in _names_below(before)), incomplete)


def _names_below(path: str) -> Iterator[str]:
    """The fields of `path`; of a kind also those of its spec, which `explain` finds without that word."""
    from reconciler.validation.schema_fields import SPEC, find, names_in

    names = names_in(find(path).schema)
    yield from names
    if "." not in path and SPEC in names:
        yield from names_in(find(f"{path}.{SPEC}").schema)


def _items(words: Callable[[], Iterable[str]], incomplete: str) -> list[CompletionItem]:
    """The `words` that begin as `incomplete` does; none when they can't be found out."""
    try:
        return [CompletionItem(word) for word in words() if word.lower().startswith(incomplete.lower())]
    except Exception:  # noqa: BLE001 - nothing may be written over the line that a person edits
        return []


def _project(context: click.Context, *, within: bool = True) -> LoadedProject:
    """The project as far as it can be read. Not `within` its environment: that is just being written."""
    flags = context.find_object(Flags) or Flags()
    return replace(workspace(flags).inside(flags.environment if within else None), url=None, state=None).load(
        server=False
    )


def _declared(loaded: LoadedProject) -> Iterator[ResourceId]:
    from reconciler.loading.nodes import resource_of

    yield from sorted({each for each in map(resource_of, _documents(loaded)) if each})


def _labels(loaded: LoadedProject) -> Iterator[str]:
    from reconciler.loading.nodes import resource_of

    for document in _documents(loaded):
        resource, metadata = resource_of(document), document.value.get("metadata")
        given = metadata.get("labels") if isinstance(metadata, Mapping) else None
        if resource and resource.kind is Kind.CAMPAIGN and isinstance(given, Mapping):
            yield from {f"{key}={value}" for key, value in given.items()}


def _documents(loaded: LoadedProject) -> Iterator[Document]:
    from reconciler.app.workspace import for_sets
    from reconciler.loading import Loaded, load_text
    from reconciler.loading.walk import Walk, read
    from reconciler.sets import expanded

    documents: list[Document] = []
    paths = ((loaded.resources, loaded.excluded), (loaded.overlays, ()))
    sources = (source for given, excluded in paths for source in Walk(loaded.root, excluded).sources(given))
    for source in sources:
        if source.path.stat().st_size <= LARGEST and isinstance(data := read(source), bytes):
            documents += load_text(data, source.file, source.path).documents
    yield from expanded(Loaded(tuple(documents)), (), *for_sets(loaded.root))[0].documents
