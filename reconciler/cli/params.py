"""Values on the command line that have a form of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from reconciler.model import Kind, ResourceId
from reconciler.options import Selector

if TYPE_CHECKING:
    Resources = click.ParamType[ResourceId]
    Selectors = click.ParamType[Selector]
else:  # it takes no parameter at run time in older versions of click
    Resources = Selectors = click.ParamType


class Target(Resources):
    """``Campaign/NAME``."""

    name = "Campaign/NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ResourceId:
        try:
            resource = ResourceId.parse(value)
        except ValueError:
            name = str(value).partition("/")[2] or value
            self.fail(f"{value!r} is no resource; did you mean {Kind.CAMPAIGN}/{name}?", param, ctx)
        if resource.kind is not Kind.CAMPAIGN:
            self.fail(f"{value}: only campaigns are targeted; what they need comes with them", param, ctx)
        return resource


class LabelSelector(Selectors):
    """``KEY=VALUE``, ``KEY!=VALUE`` or ``KEY``."""

    name = "LABEL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Selector:
        try:
            return Selector.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
