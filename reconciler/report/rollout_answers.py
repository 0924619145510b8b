"""What the commands `rollout list`, `show` and `status` answer.

Tests: `tests/cli/test_cli_rollout.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.report.command_answers import Answer
from reconciler.report.rollouts_report import rollout_item, rollout_lines, wait_words
from reconciler.report.table import table
from reconciler.report.terminal import Paint
from reconciler.rollout.views import RolloutView
from reconciler.text import clean, first, plural


def rollout_list(views: Sequence[RolloutView]) -> Answer:
    """`rollout list`."""

    def lines(paint: Paint) -> Iterator[str]:
        rows = [
            (
                str(view.resource),
                view.policy,
                view.status.value,
                view.where,
                f"{view.entered:,}/{view.total:,}",
                wait_words(view, view.waits[0]) if view.waits else "-",
            )
            for view in views
        ]
        if rows:
            yield from table(("RESOURCE", "POLICY", "STATUS", "WAVE", "IN", "WAITS FOR"), rows, paint)
        yield plural(len(rows), "rollout") + "."

    return Answer({"rollouts": [rollout_item(view) for view in views]}, lines)


def rollout_shown(view: RolloutView, about: str | None, failed: Sequence[str] | None) -> Answer:
    """`rollout show`; `about` is said of one gateway, `failed` are those that are asked for."""

    def lines(paint: Paint) -> Iterator[str]:
        yield from rollout_lines([view], paint, over=True)
        if about is not None:
            yield clean(about)
        if failed is not None:
            yield f"failed: {first(failed, len(failed)) or 'none'}"

    more: dict[str, object] = {} if failed is None else {"failed": list(failed)}
    if about is not None:
        more["gateway"] = about
    return Answer({"rollout": rollout_item(view), **more}, lines)
