"""A hawkBit update server for tests: in memory, with a clock of its own, and devices that are simulated.

    with running() as server: server.url          # over TCP
    Standin().app                                 # the ASGI application itself

It was written from observed behaviour of a real 1.0.4 (what its documentation says, and what was tried), and
`contract.py` asks both the same. Its schedulers run when a request comes, so that nothing here sleeps.
"""

from tests.hawkbit_standin.app import Standin
from tests.hawkbit_standin.tcp import running

__all__ = ["Standin", "running"]
