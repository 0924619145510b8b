"""Reads a page as a browser's tree of accessibility would, and says what is wrong with it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

_VOID = {"meta", "link", "br", "input", "rect", "img", "hr"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    children: "list[Element | str]" = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(
            "".join(each if isinstance(each, str) else f" {each.text} " for each in self.children).split()
        )

    def every(self, *tags: str) -> "Iterator[Element]":
        for each in self.children:
            if isinstance(each, Element):
                if each.tag in tags or not tags:
                    yield each
                yield from each.every(*tags)

    def one(self, *tags: str) -> "Element":
        (found,) = self.every(*tags)
        return found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice: {attrs}"
        made = Element(tag, dict(attrs))
        self.open[-1].children.append(made)
        if tag not in _VOID:
            self.open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read(html: str) -> Element:
    """The page; each element is closed where it should be."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == [reader.root], [each.tag for each in reader.open]
    return reader.root.one("html")


def body(html: str) -> str:
    """What is to be read of the page."""
    return read(html).one("body").text


def faults(html: str) -> list[str]:
    """What is wrong: code, parts from elsewhere, a structure that can't be heard."""
    page = read(html)
    every = list(page.every())
    found = [f"<{each.tag}> may run or load something" for each in every if each.tag in _ACTIVE]
    for each in every:
        for name, value in each.attributes.items():
            if name.startswith("on") or name == "style":
                found.append(f"the attribute {name} of <{each.tag}>")
            if name in ("href", "src", "action") and not (value or "").startswith(
                ("#", "/", "https://github.com/")
            ):
                found.append(f"<{each.tag}> leads to {value}")
    headings = [int(each.tag[1]) for each in page.every("h1", "h2", "h3", "h4", "h5")]
    if headings[:1] != [1] or headings.count(1) != 1:
        found.append(f"headings {headings}")
    found += [f"a heading goes from {a} to {b}" for a, b in pairwise(headings) if b > a + 1]
    ids = [each.attributes["id"] for each in every if "id" in each.attributes]
    found += [f"the id {each} twice" for each in set(ids) if ids.count(each) > 1]
    named = {each.attributes.get("aria-labelledby") for each in every} - {None}
    named |= {each.attributes.get("for") for each in page.every("label")}
    found += [f"nothing has the id {each}" for each in named - set(ids)]
    found += [
        f"nothing has the id {to}"
        for each in page.every("a")
        if (to := each.attributes["href"] or "")[:1] == "#" and to[1:] not in ids
    ]
    for table in page.every("table"):
        if not [*table.every("caption")] or [
            each for each in table.every("th") if "scope" not in each.attributes
        ]:
            found.append("a table without a caption or a scope")
    found += [
        "a picture that is heard"
        for each in page.every("svg")
        if each.attributes.get("aria-hidden") != "true"
    ]
    if len([*page.every("main")]) != 1 or not [*page.every("header")] or not [*page.every("footer")]:
        found.append("landmarks are missing")
    if page.attributes.get("lang") != "en" or not page.one("title").text:
        found.append("no language, or no title")
    return found


_ACTIVE = {"script", "iframe", "object", "embed", "img", "video", "audio", "base", "template", "math"}
