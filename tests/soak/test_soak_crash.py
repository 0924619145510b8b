"""Points at which a run may die that are too many for every check: on the disk, and in states on servers."""

from collections.abc import Iterator

import pytest

from tests.e2e.e2e_crash import Scene, Whole, scene
from tests.e2e.e2e_forks import Forks
from tests.e2e.e2e_runs import Moment
from tests.state_servers import PlaceUrl

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as made:
        yield made


@pytest.fixture(scope="module", params=["file", "postgresql", "s3"])
def made(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    forks: Forks,
    place_url: PlaceUrl,
) -> Iterator[Scene]:
    """A scene whose state is in that kind of store."""
    kind = request.param
    new_url = None if kind == "file" else lambda: f"{place_url(kind)}&lease=60"
    with scene(tmp_path_factory.mktemp("crash"), forks, new_url=new_url) as made:
        yield made


@pytest.fixture(scope="module")
def whole(made: Scene) -> Whole:
    return made.whole()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_kill_9_around_every_record(made: Scene, whole: Whole, moment: Moment) -> None:
    none_is_lost(made, whole, "record", moment)


@pytest.mark.parametrize("made", ["file"], indirect=True)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_kill_9_around_and_amid_all_that_changes_the_disk(made: Scene, whole: Whole, moment: Moment) -> None:
    none_is_lost(made, whole, "disk", moment)


def none_is_lost(made: Scene, whole: Whole, where: str, moment: Moment) -> None:
    wrong = [
        f"{point}: {line}" for point in whole.points(where, moment) for line in made.recovered(whole, point)
    ]
    assert not wrong, "\n".join(wrong)
