"""Checks of the text that people and files bring in: each function returns the cleaned value or refuses it in a sentence. Pure.

`field` is the name the reader knows: "Row 8, column 'CMS'" or "Subject". A missing value is None or the empty text.
"""

import re
import unicodedata
from datetime import date
from decimal import Decimal
from ipaddress import ip_address
from stringprep import in_table_b1
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator

ONE_LINE_LIMIT = 500  # characters, as all limits here
MANY_LINES_LIMIT = 50_000
EMAIL_LIMIT = 254
LOCAL_PART_LIMIT = 64
DIGITS_LIMIT = 20
URL_LIMIT = 2_000
SHOWN = 80  # how much of a refused value the sentence repeats
MARKS_PER_CHARACTER = 4
EARLIEST, LATEST = date(1901, 1, 1), date(2100, 12, 31)  # 1900-01-01 is what a spreadsheet makes of an empty cell
MOST = Decimal("9999999999.99")

BYTE_ORDER_MARK = "\ufeff"
LINE_BREAKS = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
DIRECTION_MARKS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
EXCEL_DAMAGE = re.compile(r"\d(?:[.,]\d+)?E\+?\d+", re.I)
AMOUNT = re.compile(r"\$? ?(\d+|\d{1,3}(?:,\d{3})+)(\.\d{1,2})?", re.ASCII)
ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
SHORT_YEAR = re.compile(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{2}", re.ASCII)
DOMAIN_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")

email_syntax = EmailValidator(allowlist=[])


class TextRefused(ValueError):
    """The text cannot be taken as it is; `sentence` says what is wrong, where, and what is allowed."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def printable(text: str) -> str:
    """The text with a space for each control character and line break, for what strangers say."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def decoded(data: bytes, *, field: str) -> str:
    """The text of UTF-8 bytes, without a byte order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextRefused(f"{field} is not UTF-8 at byte {error.start + 1}: save it as UTF-8 and try again.") from None


def one_line(value: str | None, *, field: str, limit: int = ONE_LINE_LIMIT, required: bool = True) -> str:
    """One line of at most `limit` characters: trimmed, composed (NFC), without controls or marks that turn the reading direction."""
    text = without_byte_order_mark(value)
    refuse_unreadable(text, field=field)
    if found := LINE_BREAKS.search(text):
        raise TextRefused(f"{field} must be one line: it contains a line break at position {found.start() + 1}.")
    text = trimmed(text, field=field, limit=limit, required=required)
    refuse_controls(text, field=field, allowed="")
    refuse_direction_marks(text, field=field)
    return text


def many_lines(value: str | None, *, field: str, limit: int = MANY_LINES_LIMIT, required: bool = True) -> str:
    """Text of at most `limit` characters whose lines end in \\n: trimmed, composed (NFC), without controls."""
    text = without_byte_order_mark(value)
    refuse_unreadable(text, field=field)
    text = re.sub("\r\n|[\r\x85\u2028\u2029]", "\n", text)
    text = trimmed(text, field=field, limit=limit, required=required)
    refuse_controls(text, field=field, allowed="\n\t")
    return text


def file_name(value: str | None, *, field: str) -> str:
    """The bare name of a file: no folder, nothing that climbs out of one."""
    name = one_line(value, field=field, limit=255)
    if "/" in name or "\\" in name or name.startswith("."):
        raise TextRefused(f"{field} must be a plain file name without folders; got {shown(name)}.")
    return name


def email_address(value: str | None, *, field: str, required: bool = True) -> str:
    """One plain address, its domain in lower case and in ASCII; the part before the @ as it was written."""
    if isinstance(value, str) and LINE_BREAKS.search(value.strip(" ")):
        raise TextRefused(f"{field}: the e-mail address contains a line break.")
    address = one_line(value, field=field, limit=EMAIL_LIMIT, required=required)
    if not address:
        return ""
    if found := re.search(r"[^\x21-\x7e]", address.partition("@")[0]):
        raise refused_address(field, address, because=f"{found[0]!a} is not a plain letter, digit or sign")
    if re.search(r"[\s,;<>]", address) or address.count("@") > 1:
        raise TextRefused(f"{field}: enter one e-mail address and nothing else; got {shown(address)}.")
    local, _, domain = address.partition("@")
    if hidden := next(filter(in_table_b1, domain), None):
        raise refused_address(field, address, because=f"{hidden!a} after the @ cannot be seen")
    if not local[:1].isalnum() or len(local) > LOCAL_PART_LIMIT:
        raise refused_address(field, address, because="it must begin with a letter or a digit and have at most 64 before the @")
    return f"{local}@{ascii_domain(domain, field=field, address=address)}"


def digits(value: str | None, *, field: str, limit: int = DIGITS_LIMIT, required: bool = True) -> str:
    """A number that is a name, kept as text with its leading zeros: the digits 0-9 and nothing else."""
    text = one_line(value, field=field, required=required)
    if EXCEL_DAMAGE.fullmatch(text):
        raise TextRefused(f"{field}: {shown(text)} was changed by Excel; format the column as text and enter the number again.")
    if text and not (text.isascii() and text.isdecimal()):
        raise TextRefused(f"{field} must be digits 0-9 only; got {shown(text)}.")
    if len(text) > limit:
        raise TextRefused(f"{field} has {len(text)} digits; at most {limit}.")
    return text


def amount(value: str | None, *, field: str, least: Decimal = Decimal(0), most: Decimal = MOST) -> Decimal:
    """An amount of money from `least` to `most`, both included: 1234.5, 1,234.50 or $1,234.50."""
    text = one_line(value, field=field)
    found = AMOUNT.fullmatch(text)
    if found is None:
        raise TextRefused(f"{field} must be an amount such as 1234.50; got {shown(text)}.")
    number = Decimal(found[1].replace(",", "") + (found[2] or "")).quantize(Decimal("0.01"))
    if number > most:
        raise TextRefused(f"{field} is too large: at most {most}; got {shown(text)}.")
    if number < least:
        raise TextRefused(f"{field} is too small: at least {least}; got {shown(text)}.")
    return number


def calendar_date(value: str | None, *, field: str, earliest: date = EARLIEST, latest: date = LATEST) -> date:
    """A day from `earliest` to `latest`, both included, written 2026-01-31 or 01/31/2026."""
    text = one_line(value, field=field)
    if SHORT_YEAR.fullmatch(text):
        raise TextRefused(f"{field}: write the year with 4 digits; got {shown(text)}.")
    day = day_written_as(text)
    if day is None:
        raise TextRefused(f"{field}: {shown(text)} is not a date; write it as 2026-01-31 or 01/31/2026.")
    if not earliest <= day <= latest:
        raise TextRefused(f"{field}: {day} is outside {earliest} to {latest}.")
    return day


def web_address(value: str | None, *, field: str) -> str:
    """An https address of a public host, named and not numbered."""
    address = one_line(value, field=field, limit=URL_LIMIT)
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        raise TextRefused(f"{field}: {shown(address)} is not a web address.") from None
    if parts.scheme != "https":
        raise TextRefused(f"{field} must begin with https://; got {shown(address)}.")
    if parts.username is not None or re.search(r"[\s\\]", address) or not is_public_name(host):
        raise TextRefused(f"{field} must name a public host such as https://www.firm.example/; got {shown(address)}.")
    return address


def shown(value: str) -> str:
    """The value as a sentence may repeat it: quoted, escaped, cut to 80 characters."""
    cut = value if len(value) <= SHOWN else value[: SHOWN - 1] + "…"
    return "'" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut) + "'"


def without_byte_order_mark(value: str | None) -> str:
    return (value or "").removeprefix(BYTE_ORDER_MARK)


def refuse_unreadable(text: str, *, field: str) -> None:
    if (at := text.find("\x00")) >= 0:
        raise TextRefused(f"{field} contains a NUL character at position {at + 1}.")
    if found := re.search("[\ud800-\udfff]", text):
        raise TextRefused(f"{field} is not valid Unicode at position {found.start() + 1}.")


def trimmed(text: str, *, field: str, limit: int, required: bool) -> str:
    """Without space around it, composed, and no longer than `limit`."""
    text = text.strip()
    if len(text) > limit:  # before composing, which is slow on long runs of marks
        raise TextRefused(f"{field} is {len(text):,} characters; at most {limit:,}.")
    text = unicodedata.normalize("NFC", text)
    if all(unicodedata.category(c) in ("Cf", "Zs", "Zl", "Zp") for c in text):
        text = ""
    if required and not text:
        raise TextRefused(f"{field} is required.")
    if len(text) > limit:
        raise TextRefused(f"{field} is {len(text):,} characters; at most {limit:,}.")
    return text


def refuse_controls(text: str, *, field: str, allowed: str) -> None:
    marks = 0
    for position, c in enumerate(text, start=1):
        if unicodedata.category(c) == "Cc" and c not in allowed:
            raise TextRefused(f"{field} contains the control character {c!a} at position {position}.")
        marks = marks + 1 if unicodedata.category(c) in ("Mn", "Me") else 0
        if marks > MARKS_PER_CHARACTER:
            raise TextRefused(f"{field} piles more than {MARKS_PER_CHARACTER} marks on one character at position {position}.")


def refuse_direction_marks(text: str, *, field: str) -> None:
    if found := DIRECTION_MARKS.search(text):
        raise TextRefused(f"{field} contains {found[0]!a} at position {found.start() + 1}, which turns the reading direction.")


def refused_address(field: str, address: str, *, because: str) -> TextRefused:
    return TextRefused(f"{field}: this address form is not accepted ({because}); got {shown(address)}.")


def ascii_domain(domain: str, *, field: str, address: str) -> str:
    """The domain as a mail server is asked for it. Look-alike letters become visible: xn--…"""
    try:
        name = domain.encode("idna").decode("ascii").lower()
        email_syntax(f"{address.partition('@')[0]}@{name}")
    except (UnicodeError, ValidationError):
        raise refused_address(field, address, because="it is not of the form name@firm.example") from None
    if not is_public_name(name):
        raise refused_address(field, address, because="the part after the @ must be the name of a public domain")
    return name


def is_public_name(host: str) -> bool:
    """Labels with a dot between them: no IP address in any spelling, no localhost, no name of this network only."""
    labels = host.lower().removesuffix(".").split(".")
    if labels[-1] in ("localhost", "local", "internal") or labels[-1].isdecimal() or is_ip_address(host):
        return False
    return len(labels) > 1 and all(DOMAIN_LABEL.fullmatch(label) for label in labels)


def is_ip_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def day_written_as(text: str) -> date | None:
    if found := ISO_DATE.fullmatch(text):
        year, month, day = map(int, found.groups())
    elif found := US_DATE.fullmatch(text):
        month, day, year = map(int, found.groups())
    else:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None
