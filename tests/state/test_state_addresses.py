"""The parts of a URL, and what is shown of it."""

import pytest

from reconciler.errors import ReconcilerError
from reconciler.state.addresses import StoreAddress, parse_address

SECRET = {"password": "PGPASSWORD"}


def parsed(url: str) -> StoreAddress:
    return parse_address(url, secret=SECRET, hint="write it so")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("s3://bucket/key", StoreAddress("s3://bucket/key", None, None, "bucket", None, "key", {})),
        (
            "x://me:p%40ss@h%2d1:99/a%20b/c?one=1&two=",
            StoreAddress(
                "x://me@h%2d1:99/a%20b/c?one=1&two=",
                "me",
                "p@ss",
                "h-1",
                99,
                "a b/c",
                {"one": "1", "two": ""},
            ),
        ),
        ("x://m%40e@h/", StoreAddress("x://m%40e@h/", "m@e", None, "h", None, "", {})),
        ("x://:only@h/k", StoreAddress("x://@h/k", "", "only", "h", None, "k", {})),
        ("x:///k?host=/run", StoreAddress("x:///k?host=/run", None, None, "", None, "k", {"host": "/run"})),
        ("x://h//k", StoreAddress("x://h//k", None, None, "h", None, "/k", {})),
    ],
)
def test_parts(url: str, address: StoreAddress) -> None:
    assert parsed(url) == address


@pytest.mark.parametrize(
    "url",
    ["x://h:port/k", "x://[h/k", "x://h/k#top", "x://h/k#", "x://h/k?one", "x://h/%00", "x://h/k?a%00=1"],
)
def test_what_has_no_parts(url: str) -> None:
    with pytest.raises(ReconcilerError) as caught:
        parsed(url)
    assert (caught.value.message, caught.value.hint) == (
        "the x: URL of the state can't be read",
        "write it so",
    )


def test_an_option_that_shows_a_secret() -> None:
    with pytest.raises(ReconcilerError) as caught:
        parsed("x://h/k?password=canary")
    assert caught.value.message == "the x: URL of the state holds password, which would show in reports"
    assert caught.value.hint == "Set PGPASSWORD instead."


def test_an_option_twice() -> None:
    with pytest.raises(ReconcilerError) as caught:
        parsed("x://h/k?a=1&a=1")
    assert caught.value.message == "the x: URL of the state has an option twice"
    assert caught.value.hint == "write it so"
