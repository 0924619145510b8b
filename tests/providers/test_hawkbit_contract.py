"""The stand-in for hawkBit answers what a real server does, in all that the provider relies on.

`test_hawkbit_real.py` asks a real one the same.
"""

from tests.hawkbit_standin import running
from tests.hawkbit_standin.contract import failures


def test_the_stand_in_answers_as_a_real_server() -> None:
    with running() as server:
        assert failures(server.url, server.advance) == []
