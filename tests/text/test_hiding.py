"""What others repeat of a secret never shows: in part, encoded, escaped once, twice or in a mixture."""

import html
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.hiding import HIDDEN, Hiding, credential_in

SECRET = 'correct-horse "battery"/stäple 😀 & <more>'


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda s: json.dumps(s)[1:-1],
    "JSON as it is": lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
    "JSON with slashes escaped": lambda s: json.dumps(s)[1:-1].replace("/", "\\/"),
    "JSON twice": lambda s: json.dumps(json.dumps(s)),
    "JSON three times": lambda s: json.dumps(json.dumps(json.dumps(s))),
    "JSON, each character": lambda s: "".join(
        f"\\u{int.from_bytes(pair, 'big'):04x}"
        for raw in [s.encode("utf-16-be")]
        for pair in (raw[at : at + 2] for at in range(0, len(raw), 2))
    ),
    "Python": lambda s: repr(s)[1:-1],
    "Python's bytes": lambda s: s.encode("unicode_escape").decode(),
    "URL": lambda s: quote(s, safe=""),
    "URL in small letters": lambda s: quote(s, safe="").lower() if s.islower() else quote(s, safe=""),
    "a path": quote,
    "a form": quote_plus,
    "URL twice": lambda s: quote(quote(s, safe=""), safe=""),
    "URL, each byte": lambda s: "".join(f"%{byte:02X}" for byte in s.encode()),
    "HTML": html.escape,
    "HTML in numbers": lambda s: "".join(f"&#{ord(c)};" for c in s),
    "HTML in hex": lambda s: "".join(f"&#x{ord(c):X};" for c in s),
    "HTML twice": lambda s: html.escape(html.escape(s)),
    "HTML in JSON": lambda s: json.dumps(html.escape(s)),
    "base64": lambda s: b64encode(s.encode()).decode(),
    "base64 without its end": lambda s: b64encode(s.encode()).decode().rstrip("="),
    "base64url": lambda s: urlsafe_b64encode(s.encode()).decode(),
    "base64 of a sign-in": lambda s: b64encode(f"ada:{s}".encode()).decode(),
    "base64 of more": lambda s: b64encode(f"{{{s}}}!".encode()).decode(),
    "base64 of more, again": lambda s: b64encode(f"ab{s}yz".encode()).decode(),
    "base64 in a URL": lambda s: quote(b64encode(s.encode()).decode(), safe=""),
    "hex": lambda s: s.encode().hex(),
    "HEX": lambda s: s.encode().hex().upper(),
}
ENCODED = {"base64 of a sign-in": 8, "base64 of more": 6, "base64 of more, again": 7}
"""How many characters of what was encoded with it may be left, at most."""


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("secret", [SECRET, "Tr0ub4dor&3", "s3cr3t+/=", "0123456789abcdef0123456789abcdef"])
def test_a_secret_is_hidden_however_it_is_spelled(spelling: str, secret: str) -> None:
    spelled = SPELLINGS[spelling](secret)
    said = Hiding([secret])(f"the value [{spelled}] isn't allowed")
    assert said.startswith("the value [")
    assert said.endswith("] isn't allowed")
    left = said.removeprefix("the value [").removesuffix("] isn't allowed").replace(HIDDEN, "")
    assert len(left.replace("%3D", "").strip('"\\=')) <= ENCODED.get(spelling, 0), said


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("value [correct-horse-battery-...] is not", "value [***...] is not"),
        ("value [correct…] is not", "value [***…] is not"),
        ("value […staple] is not", "value […***] is not"),
        ("value [xxrect-horse-batxx]", "value [xx***xx]"),
        ("correct-horse-battery-staple", "***"),
        ("correct-horse-battery-staplecorrect-horse-battery-staple", "***"),
        ("correct-correct-horse", "***"),
        ("corre…", "corre…"),
        ("aple", "aple"),
        ("a horse", "a horse"),
        ("", ""),
        (r"corr\u0065ct\u002dhorse", "***"),
        ("Y29ycmVjdC1ob3JzZS1iYXR0", "***"),
        ("Y29ycmVjdC1o…", "***…"),
    ],
)
def test_parts(said: str, shown: str) -> None:
    assert Hiding(["correct-horse-battery-staple"])(said) == shown


def test_short_ones() -> None:
    hiding = Hiding(["abc", "wxyz", "seven77"])
    assert hiding("abc wxyz wxy xyz seven77 seven7 even77 seve") == "abc *** wxy xyz *** *** *** seve"
    assert Hiding()("abc") == "abc"


def test_several_that_hold_one_another() -> None:
    hiding = Hiding(["inner-secret", "an-inner-secret-in-it"])
    assert hiding("<an-inner-secret-in-it> <inner-secret>") == "<***> <***>"
    hiding.update(["another-one"])
    assert hiding("another-one") == "***"


SECRETS = st.text(min_size=8, max_size=40)
AROUND = st.text(st.characters(codec="utf-8", exclude_characters="\\%&+"), max_size=10)


@given(SECRETS, AROUND, AROUND, st.sampled_from(sorted(SPELLINGS.keys() - ENCODED.keys())))
def test_nothing_of_any_secret_is_left(secret: str, before: str, behind: str, spelling: str) -> None:
    spelled = SPELLINGS[spelling](secret)
    if len(spelled) < 8 or before[-1:] == "\\":
        return
    said = Hiding([secret])(f"{before}[{spelled}]{behind}")
    assert secret not in said
    assert spelled not in said


@given(st.text(), st.lists(st.text()))
def test_any_text(text: str, secrets: list[str]) -> None:
    said = Hiding(secrets)(text)
    assert (
        not [each for each in secrets if len(each) >= 4 and each in said.replace(HIDDEN, "")] or "*" in text
    )


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("s3://b/k?endpoint=http://u:p@h", "endpoint"),
        ("s3://b/k?endpoint=http%3A%2F%2Fu%3Ap%40h", "endpoint"),
        ("s3://b/k?endpoint=https://h/%3Ftoken%3Dx", "endpoint"),
        ("s3://b/k?region=r&X-Amz-Signature=x", "X-Amz-Signature"),
        ("s3://b/k?x-amz-security-token=x", "x-amz-security-token"),
        ("s3://b/k?AWS_SECRET_ACCESS_KEY=x", "AWS_SECRET_ACCESS_KEY"),
        ("postgresql://h/d?sslpassword=x", "sslpassword"),
        ("postgresql://h/d?pass%77ord=x", "password"),
        ("postgresql://h/d?schema=a;password=x", "password"),
        ("file:state.json?token=x", "token"),
        ("file:state.json?a#api_key=x", "api_key"),
        ("https://h/?sig=x", "sig"),
        ("https://h/?PASS=x", "PASS"),
        ("https://h/", None),
        ("s3://b/k?region=eu&endpoint=https://minio.example.com", None),
        ("postgresql://ci@h/d?schema=a@b&passfile=p&sslkey=k&password=", None),
        ("s3://b/k?sse_kms_key_id=1", None),
    ],
)
def test_credentials_in_urls(url: str, name: str | None) -> None:
    assert credential_in(url) == name
