"""From a module to its tests: what its docstring says."""

import ast
import re
from collections.abc import Sequence
from typing import Final

_SAID: Final = re.compile(r"^Tests: (`[^`]+`(?:, `[^`]+`)*)\.$", re.MULTILINE)
"""The last line of a module's docstring, where no test file has the module's name."""


def said_tests(text: str) -> Sequence[str]:
    """The files that the docstring of a module names."""
    found = _SAID.search(ast.get_docstring(ast.parse(text)) or "")
    return re.findall("`([^`]+)`", found[1]) if found else ()
