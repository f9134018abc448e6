"""The HTML of an e-mail: what it may not hold, and the same words as plain text. Pure."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from messaging import text_input

LINKS_LIMIT = 100
REFUSED_ELEMENTS = {"applet", "base", "embed", "form", "frame", "iframe", "input", "link", "math", "object", "script", "svg"}
LINK_ATTRIBUTES = {"action", "background", "cite", "formaction", "href", "poster", "src", "srcset"}
SHORTENERS = {"bit.ly", "buff.ly", "cutt.ly", "goo.gl", "is.gd", "ow.ly", "rebrand.ly", "t.co", "tiny.cc", "tinyurl.com"}
SILENT = {"head", "script", "style", "title"}
PARAGRAPHS = {"blockquote", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "section", "table", "ul"}
OPENING = re.compile(r"<!--|<[A-Za-z/!?]")
LINES = {"br", "dd", "dt", "hr", "li", "tr"}
MARKUP_LIMIT = 2_000  # characters in one start tag
FIELD = re.compile(r"\{\{\s*([\w.]+).{0,300}?\}\}|\{[%#].{0,300}?[%#]\}")


def flaws(source: str) -> Iterator[tuple[int, str]]:
    """The line of each thing that an e-mail may not hold, and a sentence about it. `source` may still contain template tags."""
    html = FIELD.sub(bare_field, source)  # quotes inside a tag must not end an attribute
    if (line := unclosed_line(html)) is not None:
        yield line, "'<' is not closed with '>'. Write &lt; for the sign itself."
        return
    reader = FlawReader(convert_charrefs=True)
    reader.feed(html)
    reader.close()
    if reader.links > LINKS_LIMIT:
        reader.flaws.append((1, f"{reader.links} links are too many: at most {LINKS_LIMIT}."))
    yield from reader.flaws


def as_text(html: str) -> str:
    """What the HTML says, as plain text: paragraphs apart, list items with a dash, the address behind each link."""
    reader = TextReader(convert_charrefs=True)
    reader.feed(html)
    reader.close()
    text = re.sub(r" +", " ", "".join(reader.pieces))
    text = text.replace(" \n", "\n").replace("\n ", "\n")
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def bare_field(found: re.Match[str]) -> str:
    """A tag reduced to its field; as long in lines as before, since tags never span lines."""
    return f"{{{{{found[1]}}}}}" if found[1] else ""


def unclosed_line(html: str) -> int | None:
    """The line of the first tag or comment without an end. Python's reader is slow on thousands of them; this is not."""
    begin = 0
    while found := OPENING.search(html, begin):
        is_comment = found[0] == "<!--"
        end = html.find("-->", found.end()) if is_comment else html.find(">", found.end(), found.end() + MARKUP_LIMIT)
        if end < 0:
            return html.count("\n", 0, found.start()) + 1
        begin = end
    return None


class FlawReader(HTMLParser):
    def __init__(self, **options: bool) -> None:
        super().__init__(**options)
        self.flaws: list[tuple[int, str]] = []
        self.links = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for sentence in self.sentences(tag, attrs):
            self.flaws.append((self.getpos()[0], sentence))

    def sentences(self, tag: str, attrs: list[tuple[str, str | None]]) -> Iterator[str]:
        if tag in REFUSED_ELEMENTS or (tag == "meta" and any(name == "http-equiv" for name, _ in attrs)):
            yield f"<{tag}> is not allowed in an e-mail."
        if re.search(r"=\s*\{\{", self.get_starttag_text() or ""):
            yield 'Put quotes around a field in an attribute: title="{{ law_firm }}".'
        for name, value in attrs:
            if name.startswith("on") or "{{" in name:
                yield f"'{name}' is not allowed inside <{tag}>."
            elif name in LINK_ATTRIBUTES:
                self.links += 1
                yield from link_flaws(value or "")


def link_flaws(link: str) -> Iterator[str]:
    """A link leads to a named public host over https, to an address or a telephone, or to a place on the page."""
    link = re.sub(r"[\x00-\x20]+", "", link)  # browsers read "java\nscript:" as one word
    scheme = link.partition(":")[0].lower() if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", link) else ""
    if not link or link.startswith("#") or scheme in ("mailto", "tel", "cid") or re.fullmatch(r"\{\{\w+_url\}\}", link):
        return
    if scheme != "https":
        yield f"Link {text_input.shown(link)} is not allowed: links begin with https://, mailto: or tel:."
        return
    host = re.split(r"[/?#]", link[len("https://") :])[0].lower()
    if host.removeprefix("www.") in SHORTENERS:
        yield f"Link {text_input.shown(link)} hides where it leads: write the full address."
        return
    try:
        text_input.web_address(link, field="Link")
    except text_input.TextRefused as refusal:
        yield refusal.sentence


class TextReader(HTMLParser):
    def __init__(self, **options: bool) -> None:
        super().__init__(**options)
        self.pieces: list[str] = []
        self.silent = 0
        self.links: list[tuple[str, int]] = []  # address, and where its words begin

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT:
            self.silent += 1
        elif tag == "a":
            self.links.append((dict(attrs).get("href") or "", len(self.pieces)))
        elif tag in PARAGRAPHS:
            self.pieces.append("\n\n")
        elif tag in LINES:
            self.pieces.append("\n- " if tag == "li" else "\n")
        elif tag in ("td", "th"):
            self.pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in SILENT:
            self.silent = max(0, self.silent - 1)
        elif tag == "a" and self.links:
            self.end_link(*self.links.pop())
        elif tag in PARAGRAPHS:
            self.pieces.append("\n\n")

    def end_link(self, address: str, begin: int) -> None:
        words = "".join(self.pieces[begin:]).strip()
        bare = address.removeprefix("mailto:").removeprefix("tel:")
        if bare and not bare.startswith("#") and words not in (address, bare):
            self.pieces.append(f" ({bare})")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.pieces.append(re.sub(r"\s+", " ", data))
