"""Notes which functions a process runs that a test starts: `mutant_trace` copies this to `sitecustomize.py`.

Coverage sees the lines of the test process. What runs in another one, for which test, is only seen here:
``$MUTANT_CALLS.test`` says which test is running, ``$MUTANT_CALLS.calls`` gets a line for each function, its
file, its first line and the test. It holds for processes that are forked later, too.
"""

import os
import sys
import threading
from pathlib import Path
from types import FrameType

_ROOT = str(Path(__file__).resolve().parent / "reconciler") + os.sep


def _watch(place: str) -> None:
    seen: set[int] = set()
    output = os.open(f"{place}.calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def called(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or id(code) in seen:
            return
        seen.add(id(code))
        if code.co_filename.startswith(_ROOT) and code.co_name != "<module>":
            test = Path(f"{place}.test").read_text(encoding="utf-8")
            os.write(output, f"{code.co_filename}\t{code.co_firstlineno}\t{test}\n".encode())

    os.register_at_fork(after_in_child=seen.clear)
    threading.setprofile(called)
    sys.setprofile(called)


if "MUTANT_CALLS" in os.environ:
    _watch(os.environ["MUTANT_CALLS"])
