"""What goes over to whoever reads, and back: the same as before, as plain values."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import NotExecuted, Refusal, Refused, ServerError, Unauthorized, Unclear
from reconciler.model import Membership
from reconciler.providers.http.sender import NotPrepared
from reconciler.providers.http.transport import CannotConnect, TooMuch
from reconciler.readers.parcels import PackedMembers, ReadFault, packed, unpacked

ids = st.frozensets(st.text(st.characters(codec="utf-8"), max_size=5), max_size=6)
lines = st.frozensets(st.sampled_from(["", "\n", "a\nb", "a", "b", "\r", "\x00", "gw-1"]))


@given(ids | lines)
def test_ids_come_back_whatever_they_are(some: frozenset[str]) -> None:
    assert unpacked(packed(some)) == some


def test_many_ids_are_one_value() -> None:
    many = {f"gw-{n:07}" for n in range(10_000)}
    assert isinstance(packed(many), str)
    assert len(pickle.dumps(packed(many))) < 12 * len(many)


@given(
    st.builds(
        Membership,
        st.dictionaries(st.text(max_size=3), ids, max_size=3),
        ids,
        st.dictionaries(
            st.text(max_size=3), st.dictionaries(st.text(max_size=3), ids, max_size=2), max_size=2
        ),
    )
)
def test_members_come_back(members: Membership) -> None:
    sent = pickle.loads(pickle.dumps(PackedMembers.of(members)))
    assert sent.members() == members
    assert sent.count == len(members)


FULL = {"status": 503, "retry_after": 7.0, "hint": "Ask later.", "meaning": frozenset({Refusal.NOT_AN_ID})}


@pytest.mark.parametrize("kind", [NotExecuted, Unclear, Refused, Unauthorized, ServerError])
def test_an_error_is_the_same_on_the_other_side(kind: type[ServerError]) -> None:
    error = kind("503 busy: GET /x", request="GET /campaigns/" + "7" * 600, **FULL)  # type: ignore[arg-type]
    made = pickle.loads(pickle.dumps(ReadFault.of(error))).error()
    assert type(made) is kind
    assert vars(made) == vars(error)
    assert (str(made), made.exit_code) == (str(error), error.exit_code)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotPrepared(Unclear("503 busy", request="GET /versions", **FULL)), NotExecuted),  # type: ignore[arg-type]
        (CannotConnect("nobody is there", request="GET /x", tries=3), NotExecuted),
        (TooMuch("too long", request="GET /x"), Unclear),
    ],
    ids=lambda each: getattr(each, "__name__", type(each).__name__),
)
def test_kinds_of_a_connection_are_what_they_mean(error: ServerError, kind: type[ServerError]) -> None:
    made = ReadFault.of(error).error()
    assert isinstance(error, kind)
    assert type(made) is kind
    assert (made.message, made.request, made.status, made.hint) == (
        error.message,
        error.request,
        error.status,
        error.hint,
    )
