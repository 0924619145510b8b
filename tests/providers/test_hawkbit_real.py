"""A real hawkBit, where there is one: HAWKBIT_URL names it, or HAWKBIT_JAR is one that can be run."""

import time

from tests.hawkbit_standin.contract import failures


def test_it_answers_what_the_provider_relies_on(hawkbit_url: str) -> None:
    assert failures(hawkbit_url, time.sleep) == []
