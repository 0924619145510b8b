"""Hosts: how many spellings one has, which entry covers which, and what is none."""

import pytest

from reconciler.trust.hosts import (
    EMBEDDED,
    Destination,
    TrustedHost,
    covered,
    named,
    plain_host,
    trusted_hosts,
)


def trusts(entries: str, url: str) -> bool:
    hosts, bad = trusted_hosts(entries)
    assert bad == ()
    return covered(Destination.of(url), hosts)


@pytest.mark.parametrize(
    ("entries", "url"),
    [
        ("pulse.example.com", "https://pulse.example.com"),
        ("pulse.example.com", "https://pulse.example.com:8443/api"),
        ("PULSE.example.COM.", "https://pulse.example.com"),
        ("pulse.example.com", "HTTPS://Pulse.Example.com.:443"),
        ("other.example.com, pulse.example.com", "https://pulse.example.com"),
        (" ,pulse.example.com,, ", "https://pulse.example.com"),
        ("https://pulse.example.com", "https://pulse.example.com:8443"),
        ("https://pulse.example.com/", "https://pulse.example.com"),
        ("pulse.example.com:8443", "https://pulse.example.com:8443"),
        ("pulse.example.com:443", "https://pulse.example.com"),
        ("http://pulse.example.com", "http://pulse.example.com"),
        ("http://pulse.example.com", "http://pulse.example.com:8080"),
        ("HTTP://pulse.example.com", "http://pulse.example.com"),
        ("http://pulse.example.com", "https://pulse.example.com"),
        ("http://pulse.example.com:8080", "http://pulse.example.com:8080"),
        ("192.0.2.7", "https://192.0.2.7"),
        ("2001:db8::7", "https://[2001:db8::7]"),
        ("[2001:db8::7]", "https://[2001:0DB8:0::7]:8443"),
        ("[2001:db8::7]:8443", "https://[2001:db8::7]:8443"),
        ("http://[2001:db8::7]", "http://[2001:db8::7]"),
        ("xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_entry_covers(entries: str, url: str) -> None:
    assert trusts(entries, url)


@pytest.mark.parametrize(
    ("entries", "url"),
    [
        ("", "https://pulse.example.com"),
        ("example.com", "https://pulse.example.com"),
        ("pulse.example.com", "https://pulse.example.com.evil.com"),
        ("pulse.example.com", "https://evilpulse.example.com"),
        ("pulse.example.com", "https://evil.com/pulse.example.com"),
        ("pulse.example.com", "https://pulse.example.com@evil.com"),
        ("pulse.example.com", "https://evil.com#@pulse.example.com"),
        ("pulse.example.com", "https://evil.com?pulse.example.com"),
        ("pulse.example.com", "https://pulse%2eexample.com"),
        ("pulse.example.com", "https://pulse.example.com%00.evil.com"),
        ("pulse.example.com", "https://pulse.examp\u200ble.com"),
        ("pulse.example.com", "https://puls\u0435.example.com"),
        ("pulse.example.com", "https://\uff50ulse.example.com"),
        ("pulse.example.com", "https://pulse.example.com.."),
        ("pulse.example.com", "http://pulse.example.com"),
        ("pulse.example.com:443", "https://pulse.example.com:8443"),
        ("https://pulse.example.com:8443", "https://pulse.example.com"),
        ("http://pulse.example.com:80", "http://pulse.example.com:8080"),
        ("192.0.2.7", "https://3221225991"),
        ("192.0.2.7", "https://0xc0000207"),
        ("192.0.2.7", "https://192.0.2.007"),
        ("192.0.2.7", "https://192.0.519"),
        ("2001:db8::7", "https://[2001:db8::7%25eth0]"),
        ("192.0.2.7", "https://[::ffff:192.0.2.7]"),
    ],
)
def test_an_entry_does_not_cover(entries: str, url: str) -> None:
    assert not trusts(entries, url)


@pytest.mark.parametrize(
    "entry",
    [
        "*",
        "*.example.com",
        "pulse.*",
        "https://*",
        "https://me:pw@pulse.example.com",
        "me@pulse.example.com",
        "https://pulse.example.com/api",
        "pulse.example.com?x",
        "pulse.example.com#x",
        "ftp://pulse.example.com",
        "//pulse.example.com",
        "pulse.example.com:0",
        "pulse.example.com:65536",
        "pulse.example.com:port",
        "pulse.example.com:",
        "pulse..example.com",
        ".example.com",
        "-pulse.example.com",
        "pulse example.com",
        "bücher.example",
        "1.2.3",
        "0x7f.1",
        "[pulse.example.com]",
        "[::1",
        "fe80::1%eth0",
        "a" * 64 + ".example.com",
        ".".join(["a" * 60] * 5),
        "\\pulse.example.com",
    ],
)
def test_what_is_no_host_is_said_and_covers_nothing(entry: str) -> None:
    hosts, bad = trusted_hosts(f"one.example.com,{entry}")
    assert (hosts, bad) == ((TrustedHost("one.example.com"),), (entry,))


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("rehearsal.localhost", True),
        ("::1", True),
        ("0:0:0:0:0:0:0:1", True),
        ("0.0.0.0", False),
        ("127.1", False),
        ("2130706433", False),
        ("localhost.example.com", False),
        ("notlocalhost", False),
        ("127.0.0.1.example.com", False),
        ("192.0.2.1", False),
    ],
)
def test_loopback_is_only_what_surely_is(host: str, loopback: bool) -> None:
    assert Destination.at("https", host).loopback is loopback


def test_the_server_in_this_process_is_loopback() -> None:
    assert EMBEDDED.loopback
    assert str(EMBEDDED) == "embedded:"


@pytest.mark.parametrize(
    ("destination", "text"),
    [
        (Destination.of("https://Pulse.example.com:443/x"), "https://pulse.example.com"),
        (Destination.of("https://pulse.example.com:8443"), "https://pulse.example.com:8443"),
        (Destination.of("http://[2001:DB8::7]:80"), "http://[2001:db8::7]"),
        (Destination.at("postgresql", "db.example.com"), "postgresql://db.example.com"),
        (Destination.at("postgresql", "db.example.com", 5433), "postgresql://db.example.com:5433"),
        (Destination.at("https", "e\x1b[31mvil"), "https://e\\x1b[31mvil"),
    ],
)
def test_a_destination_has_one_spelling(destination: Destination, text: str) -> None:
    assert str(destination) == text


def test_a_url_that_a_person_gave_names_its_port_alone() -> None:
    host = named(Destination.of("http://pulse.example.com:8080/api"))
    assert host.covers(Destination.of("http://pulse.example.com:8080"))
    assert not host.covers(Destination.of("http://pulse.example.com"))
    assert not named(Destination.of("https://x.example")).covers(Destination.of("http://x.example:443"))


def test_no_spelling_of_a_host_is_two() -> None:
    assert plain_host("Pulse.Example.COM.") == plain_host("pulse.example.com") == "pulse.example.com"
    assert plain_host("") is plain_host(".") is plain_host("a/b") is plain_host("*") is None
