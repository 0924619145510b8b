"""Which proxy the environment names for a URL, and what is said of one that can't be used."""

import os

import pytest

from reconciler.errors import ReconcilerError
from reconciler.proxies import proxy_for

PULSE = "https://pulse.corp.example"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def place(url: str = PULSE) -> str | None:
    found = proxy_for(url)
    return found.place if found else None


def test_without_any(monkeypatch: pytest.MonkeyPatch) -> None:
    assert place() is None
    monkeypatch.setenv("HTTPS_PROXY", "")
    assert place() is None


@pytest.mark.parametrize(
    ("variables", "url", "expected"),
    [
        ({"HTTPS_PROXY": "http://proxy:3128"}, PULSE, "proxy:3128"),
        ({"https_proxy": "proxy:3128"}, PULSE, "proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128"}, PULSE, None),
        ({"HTTP_PROXY": "http://proxy:3128"}, "http://pulse.corp.example:8080", "proxy:3128"),
        ({"ALL_PROXY": "socks5://proxy"}, PULSE, "proxy"),
        ({"ALL_PROXY": "socks5h://a:1", "HTTPS_PROXY": "http://b:2"}, PULSE, "b:2"),
        ({"HTTPS_PROXY": "", "ALL_PROXY": "http://a:1"}, PULSE, "a:1"),
        ({"HTTPS_PROXY": "http://user:hunter2@proxy:3128/"}, PULSE, "proxy:3128"),
        ({"HTTPS_PROXY": "https://[fd00::1]:3128"}, PULSE, "[fd00::1]:3128"),
        ({"HTTPS_PROXY": "HTTP://proxy:3128"}, PULSE, "proxy:3128"),
    ],
)
def test_which_it_is(
    variables: dict[str, str], url: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert place(url) == expected
    assert "hunter2" not in repr(proxy_for(url))


DIRECT = [
    ("*", PULSE),
    ("pulse.corp.example", PULSE),
    ("corp.example", PULSE),
    (".corp.example", PULSE),
    ("*.corp.example", PULSE),
    ("PULSE.Corp.Example", PULSE),
    ("pulse.corp.example:443", PULSE),
    ("corp.example:8443", "https://pulse.corp.example:8443"),
    ("localhost,10.0.0.0/8,fd00::/8,corp.example", PULSE),
    ("localhost corp.example", PULSE),
    ("https://pulse.corp.example", PULSE),
    ("10.0.0.0/8", "https://10.1.2.3"),
    ("10.1.2.3", "https://10.1.2.3:8443"),
    ("10.1.2.3:8443", "https://10.1.2.3:8443"),
    ("fd00::/8", "https://[fd00::17]"),
    ("[fd00::]/8", "https://[fd00::17]"),
    ("[fd00::17]", "https://[fd00::17]"),
    ("fd00::17", "https://[FD00::17]:8443"),
    ("fd00:0:0::17", "https://[fd00::17]"),
    ("[fd00::17]:8443", "https://[fd00::17]:8443"),
    ("::/0", "https://[2001:db8::1]"),
    ("10.1.2.3", "https://[::ffff:10.1.2.3]"),
]
PROXIED = [
    ("", PULSE),
    (",, ,", PULSE),
    ("other.example", PULSE),
    ("orp.example", PULSE),
    ("pulse.corp.example.org", PULSE),
    ("pulse.corp.example:8443", PULSE),
    ("corp.example/8", PULSE),
    ("10.0.0.0/8", "https://11.1.2.3"),
    ("10.0.0.0/99", "https://10.1.2.3"),
    ("1.2.3", "https://10.1.2.3"),
    ("fd00::/8", "https://[fe80::1]"),
    ("fd00::/8", PULSE),
    ("[fd00::17]:8443", "https://[fd00::17]"),
    ("[::1", "https://[fd00::17]"),
    ("::/zz", "https://[fd00::17]"),
    ("[]", PULSE),
    (".", PULSE),
    (":443", PULSE),
    ("0.0.0.0/0", "https://[fd00::17]"),
]


@pytest.mark.parametrize(("listed", "url"), DIRECT)
def test_no_proxy_for(listed: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", listed)
    assert place(url) is None


@pytest.mark.parametrize(("listed", "url"), PROXIED)
def test_a_proxy_all_the_same_for(listed: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", listed)
    assert place(url) == "proxy:3128"


@pytest.mark.parametrize(
    "named",
    [
        "http://proxy:99999", "http://proxy:65536", "http://proxy:0", "http://proxy:-1", "http://proxy:http",
        "http://[::1", "http://:3128", "http://", "gopher://proxy", "socks4://proxy", "file:///etc/passwd",
        "http://user:hunter2@proxy:99999", "http://pro xy:3128", "http://prox\u00fd:1", "://", "http://a\tb:1",
    ],
)  # fmt: skip
def test_what_is_no_proxy_is_a_finding(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", named)
    with pytest.raises(ReconcilerError) as caught:
        proxy_for(PULSE)
    assert "HTTPS_PROXY" in caught.value.message
    assert "NO_PROXY" in (caught.value.hint or "")
    assert "hunter2" not in caught.value.message


def test_what_needs_none_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:99999")
    monkeypatch.setenv("NO_PROXY", "corp.example")
    assert proxy_for(PULSE) is None


def test_settings_of_the_system_have_their_own_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.proxies.getproxies", lambda: {"https": "http://proxy:3128"})
    monkeypatch.setattr("reconciler.proxies.proxy_bypass", lambda host: host == "pulse.corp.example")
    assert proxy_for(PULSE) is None
    found = proxy_for("https://other.example")
    assert found is not None
    assert found.by == "the https proxy"
