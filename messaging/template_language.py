"""The small language of templates that staff edit: Django's syntax with three tags, a dozen filters and no way out. Pure.

A template names fields and, inside a loop, the columns of a list: `{% for case in cases %}{{ case.pid }}{% endfor %}` uses the
list "cases" and its column "cases.pid". Nothing else can be reached: there is no loader, no library, no attribute, no call.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from django.template import Library, TemplateSyntaxError, defaultfilters
from django.template.base import FilterExpression, Lexer, NodeList, Parser, Token, TokenType, Variable, VariableNode
from django.template.defaulttags import ForNode, IfNode, comment, do_for, do_if
from django.utils import dateformat

DEPTH_LIMIT = 20  # of tags within tags
TAG_LIMIT = 300  # characters in one tag
TAG = re.compile(r"\{%.{0,N}?%\}|\{\{.{0,N}?\}\}|\{#.{0,N}?#\}".replace("N", str(TAG_LIMIT)))
TRANSLATED = re.compile(r"(?<!\w)_\(['\"]")
LOOP_WORDS = {("forloop", word) for word in ("counter", "first", "last")}

Scope = Mapping[str, str]  # loop variable: the list it walks


class Role(Enum):
    PRINTED = "printed"
    TESTED = "tested"  # asked about in a condition or given to a filter: it may be empty
    LOOPED = "looped"


class Use(NamedTuple):
    """A field that a template names, and for what."""

    name: str
    line: int
    role: Role
    in_loop: bool = False  # a column of the list that is walked there


class Flaw(NamedTuple):
    line: int
    sentence: str


@dataclass(frozen=True)
class Parsed:
    """Either flaws and no nodes, or nodes and the fields they name."""

    nodes: NodeList
    uses: tuple[Use, ...]
    flaws: tuple[Flaw, ...]


@lru_cache(maxsize=64)
def parse(source: str, *, html: bool) -> Parsed:
    """Read one part of a template. It is read once and kept: a batch of a thousand e-mails parses its template once."""
    if flaws := (*unclosed(source), *translated(source)):
        return Parsed(NodeList(), (), flaws)
    tokens = Lexer(source).tokenize()
    if flaws := tuple(too_deep(tokens)):
        return Parsed(NodeList(), (), flaws)
    try:
        nodes = StaffParser(tokens, html=html).parse()
    except TemplateSyntaxError as error:
        return Parsed(NodeList(), (), (flaw_of(error),))
    return Parsed(nodes, tuple(uses(nodes, scope={})), ())


def unknown(parsed: Parsed, *, fields: Collection[str]) -> Iterator[Flaw]:
    """What the template names beyond `fields`, or uses as what it is not. A list is known by its columns: "cases.pid"."""
    lists = {name.partition(".")[0] for name in fields if "." in name}
    for name, line, role, in_loop in parsed.uses:
        if name in fields and "." in name and not in_loop:
            whole, _, column = name.partition(".")
            sentence = f"'{column}' belongs to each of '{whole}': write {{% for one in {whole} %}}{{{{ one.{column} }}}}{{% endfor %}}."
            yield Flaw(line, sentence)
        elif name in lists:
            if role is Role.PRINTED:
                yield Flaw(line, f"'{name}' is a list: write {{% for one in {name} %}} … {{% endfor %}} to show what is in it.")
        elif name not in fields:
            yield Flaw(line, f"Unknown field '{name}'. {suggestion(name, fields)}")
        elif role is Role.LOOPED:
            yield Flaw(line, f"'{name}' is not a list, so it cannot be looped over.")


def money(value: object) -> str:
    """$1,234.50"""
    return f"${value:,.2f}" if isinstance(value, Decimal | int) else ""


def spelled_date(value: object, form: str = "F j, Y") -> str:
    """November 22, 2026, or another form in Django's letters."""
    try:
        return dateformat.format(value, form) if isinstance(value, date) else ""
    except (TypeError, ValueError):  # a form that asks a day for its hour
        return ""


def pluralize(value: object, endings: object = "s") -> str:
    """The ending for one or for several; a figure given as endings is read as text."""
    return defaultfilters.pluralize(value, str(endings))


def yesno(value: Any, words: object = None) -> object:
    """The first word for what is there, the second for what is not."""
    return defaultfilters.yesno(value, None if words is None else str(words))


def linebreaks(value: Any) -> str:
    """Paragraphs and line breaks in place of empty and of new lines; what is between them is escaped."""
    return defaultfilters.linebreaks_filter(value, autoescape=True)


def simple_for(parser: Parser, token: Token) -> ForNode:
    """A loop with one variable over one list, which is all that can be bounded and checked before it runs."""
    node: Any = do_for(parser, token)
    plain = node.sequence.is_var and node.sequence.var.lookups and not node.sequence.filters
    if not plain or len(node.loopvars) != 1 or not node.loopvars[0].isidentifier() or node.loopvars[0] == "forloop":
        raise Unreadable("Write a loop as {% for case in cases %} … {% endfor %}.")
    return node


TAGS = {"if": do_if, "for": simple_for, "comment": comment}
FILTERS: dict[str, Callable[..., Any]] = {
    "capfirst": defaultfilters.capfirst,
    "date": spelled_date,
    "default": defaultfilters.default,
    "length": defaultfilters.length,
    "lower": defaultfilters.lower,
    "money": money,
    "pluralize": pluralize,
    "title": defaultfilters.title,
    "upper": defaultfilters.upper,
    "yesno": yesno,
}
HTML_FILTERS = {**FILTERS, "linebreaks": linebreaks}
NAME_OF_FILTER = {function: name for name, function in HTML_FILTERS.items()}


class Unreadable(TemplateSyntaxError):
    """A flaw that already has its sentence."""


class StaffParser(Parser):
    """Django's parser, with nothing in it but our tags and filters, and sentences that staff can act on."""

    def __init__(self, tokens: list[Token], *, html: bool) -> None:
        language = Library()
        language.tags.update(TAGS)
        language.filters.update(HTML_FILTERS if html else FILTERS)
        super().__init__(tokens, libraries={}, builtins=[language])

    def invalid_block_tag(self, token: Token, command: str, parse_until: Any = None) -> None:
        if command in ("elif", "else", "endif", "empty", "endfor", "endcomment"):
            raise self.error(token, Unreadable(f"'{command}' has no tag before it that it belongs to."))
        raise self.error(token, Unreadable(f"Tag '{command[:40]}' is not allowed. Allowed: {', '.join(TAGS)}."))

    def unclosed_block_tag(self, parse_until: Any) -> None:
        command, token = self.command_stack.pop()
        raise self.error(token, Unreadable(f"'{{% {command} %}}' is never closed with '{{% end{command} %}}'."))

    def find_filter(self, filter_name: str) -> Any:
        if filter_name not in self.filters:
            raise Unreadable(f"Filter '{filter_name[:40]}' is not allowed here. Allowed: {', '.join(sorted(self.filters))}.")
        return self.filters[filter_name]


def unclosed(source: str) -> Iterator[Flaw]:
    """Braces that Django would send as they are. Comes first: its lexer is slow on thousands of them, this is not."""
    beyond_tags = TAG.sub(lambda tag: " " * len(tag[0]), source)  # tags never span lines
    for found in re.finditer(r"\{[{%#]|[}%]\}", beyond_tags):
        line = source.count("\n", 0, found.start()) + 1
        if found[0].startswith("{"):
            yield Flaw(line, f"'{found[0]}' is not closed on its line, or only after {TAG_LIMIT} characters.")
        else:
            yield Flaw(line, f"'{found[0]}' closes nothing. In a style sheet, put a space between the two signs.")
        return


def translated(source: str) -> Iterator[Flaw]:
    """Django's sign for words to be translated, which no template here needs, and some of which its reader cannot read."""
    for tag in TAG.finditer(source):
        if not tag[0].startswith("{#") and TRANSLATED.search(tag[0]):
            yield Flaw(source.count("\n", 0, tag.start()) + 1, "'_(…)' translates nothing here: write the words themselves.")
            return


def too_deep(tokens: Iterable[Any]) -> Iterator[Flaw]:
    depth = 0
    for token in tokens:
        word = token.contents.split(maxsplit=1)[:1] if token.token_type is TokenType.BLOCK else []
        depth += (word in (["if"], ["for"])) - (word in (["endif"], ["endfor"]))
        if depth > DEPTH_LIMIT:
            yield Flaw(token.lineno, f"Tags within tags go {DEPTH_LIMIT} deep at most.")
            return


def flaw_of(error: Any) -> Flaw:
    token = error.token  # set by Parser.error, through which every refusal passes
    if isinstance(error, Unreadable):
        return Flaw(token.lineno, str(error))
    if token.token_type is TokenType.BLOCK:
        return Flaw(token.lineno, f"'{{% {token.contents} %}}' cannot be read: write it as {{% if balance > 100 %}} … {{% endif %}}.")
    return Flaw(token.lineno, f"'{{{{ {token.contents} }}}}' cannot be read: write a field, then its filters, as in {{{{ pid }}}}.")


def uses(nodes: Iterable[Any], *, scope: Scope) -> Iterator[Use]:
    """Every field named, in order, on branches taken or not."""
    for node in nodes:
        if isinstance(node, IfNode):
            yield from uses_in_condition(node, scope=scope)
        elif isinstance(node, ForNode):
            yield from uses_in_loop(node, scope=scope)
        elif isinstance(node, VariableNode):
            yield from named(node.filter_expression, node=node, role=Role.PRINTED, scope=scope)


def uses_in_condition(node: Any, *, scope: Scope) -> Iterator[Use]:
    for condition, branch in node.conditions_nodelists:
        for expression in operands(condition):
            yield from named(expression, node=node, role=Role.TESTED, scope=scope)
        yield from uses(branch, scope=scope)


def uses_in_loop(node: Any, *, scope: Scope) -> Iterator[Use]:
    yield from named(node.sequence, node=node, role=Role.LOOPED, scope=scope)
    walked = {node.loopvars[0]: full_name(node.sequence.var, scope=scope), "forloop": "forloop"}
    yield from uses(node.nodelist_loop, scope={**scope, **walked})
    yield from uses(node.nodelist_empty, scope=scope)


def named(expression: FilterExpression, *, node: Any, role: Role, scope: Scope) -> Iterator[Use]:
    if "length" in filter_names(expression)[:1]:
        role = Role.TESTED
    arguments = [argument for _, given in expression.filters for is_field, argument in given if is_field]
    for variable, its_role in [(expression.var, role), *((argument, Role.TESTED) for argument in arguments)]:
        if not isinstance(variable, Variable) or variable.lookups is None:
            continue  # a text or a number
        if not ("forloop" in scope and variable.lookups in LOOP_WORDS):
            yield Use(full_name(variable, scope=scope), node.token.lineno, its_role, in_loop=variable.lookups[0] in scope)


def operands(condition: Any) -> Iterator[FilterExpression]:
    """The expressions in the tree of a condition; `else` has none."""
    if condition is None:
        return
    if isinstance(condition.value, FilterExpression):
        yield condition.value
    yield from operands(condition.first)
    yield from operands(condition.second)


def full_name(variable: Variable, *, scope: Scope) -> str:
    first, *rest = variable.lookups or ()
    return ".".join([scope.get(first, first), *rest])


def filter_names(expression: FilterExpression) -> list[str]:
    return [NAME_OF_FILTER[function] for function, _ in expression.filters]


def suggestion(name: str, fields: Collection[str]) -> str:
    close = get_close_matches(name, fields, n=1)
    return f"Did you mean '{close[0]}'?" if close else f"Only these fields: {', '.join(fields)}."
