"""The templates that staff edit: checked when they are saved, rendered without a gap or not at all. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal, cast

from django.template import Context
from django.template.base import FilterExpression, NodeList, TextNode, Token, Variable, VariableNode
from django.template.defaulttags import ForNode, IfNode
from django.utils.html import conditional_escape

from messaging import html_bodies, template_language, text_input
from messaging.merge_fields import Value
from messaging.template_language import Flaw, Role

SUBJECT_LIMIT = 250  # characters, rendered
SOURCE_LIMIT = 100_000  # characters in one part
OUTPUT_LIMIT = 500_000  # bytes in one rendered part
TURNS_LIMIT = 10_000  # of all loops in one part together
PROBLEMS_LIMIT = 20  # told about one part
EMPTY_IS_AN_ANSWER = {"yesno", "pluralize"}
EMPTY_IS_PROVIDED_FOR = {"default", "yesno", "length"}

PartName = Literal["subject", "text", "html"]


@dataclass(frozen=True, kw_only=True)
class TemplateSource:
    """What staff wrote. Without a text part, the text is made from the HTML."""

    subject: str
    text: str = ""
    html: str = ""


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """What is sent: a subject of one line, a text, and HTML unless the template has none."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, kw_only=True)
class Problem:
    part: PartName
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.part.capitalize()}, line {self.line}: {self.sentence}"


class TemplateRefused(Exception):
    """The template cannot be used; `problems` say why, part by part."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(" ".join(map(str, self.problems)))


class MissingVariables(Exception):
    """`names` have no value here, so the text would have a gap. Nothing was rendered."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__(f"No value for {', '.join(self.names)}: fill it in, or give the template a default for it.")


def check(source: TemplateSource, *, example: Mapping[str, Value]) -> list[Problem]:
    """Everything that stands in the way of using `source`; empty when it is fit to be saved.

    `example` has a value, and not an empty one, for every field that a template of this kind may name.
    """
    fields, full = list(field_names(example)), Context({name: plain_value(value) for name, value in example.items()})
    problems = outer_problems(source)
    unread = {problem.part for problem in problems}
    for part, text in parts(source):
        if part in unread:
            continue
        parsed = template_language.parse(text, html=part == "html")
        in_html = html_bodies.flaws(text) if part == "html" and not parsed.flaws else ()
        flaws = [*parsed.flaws, *template_language.unknown(parsed, fields=fields)]
        found = sorted([*(flaws or misfits(parsed.nodes, full)), *in_html])
        problems += [Problem(part=part, line=line, sentence=sentence) for line, sentence in found[:PROBLEMS_LIMIT]]
    return problems


def field_names(example: Mapping[str, Value]) -> Iterator[str]:
    """The fields by name, and the columns of a list as "cases.pid"."""
    for name, value in example.items():
        yield from (f"{name}.{column}" for column in value[0]) if isinstance(value, list) else [name]


def misfits(nodes: Iterable[Any], full: Context) -> Iterator[Flaw]:
    """What shows nothing though nothing is missing, on branches taken or not: a number as money, the hour of a day."""
    for node in nodes:
        if isinstance(node, IfNode):
            for _, branch in node.conditions_nodelists:
                yield from misfits(branch, full)
        elif isinstance(node, ForNode):
            rows = cast(FilterExpression, node.sequence).resolve(full)
            with full.push(**{node.loopvars[0]: rows[0], "forloop": {"counter": 1, "first": True, "last": True}}):
                yield from misfits(node.nodelist_loop, full)
            yield from misfits(node.nodelist_empty, full)
        elif isinstance(node, VariableNode) and shows_nothing(node.filter_expression, full):
            token = cast(Token, node.token)
            sentence = f"'{{{{ {token.contents} }}}}' shows nothing, whatever the case or contact: use another filter, or none."
            yield Flaw(cast(int, token.lineno), sentence)


def shows_nothing(expression: FilterExpression, context: Context) -> bool:
    value = expression.var.resolve(context) if expression.is_var else expression.var
    return leaves_gap(expression, value, expression.resolve(context))


def render(source: TemplateSource, *, values: Mapping[str, Value]) -> Rendered:
    """Put `values` into every part, once: a value that looks like a template stays text. Any gap refuses the whole."""
    plain = {name: plain_value(value) for name, value in values.items()}
    parsed = {part: template_language.parse(text, html=part == "html") for part, text in parts(source)}
    if refused := [Problem(part=part, line=at, sentence=what) for part, one in parsed.items() for at, what in one.flaws]:
        raise TemplateRefused(refused)
    if gaps := [use.name for one in parsed.values() for use in one.uses if not has_value(use, plain)]:
        raise MissingVariables(dict.fromkeys(gaps))

    writers = {part: Writer(plain, part=part) for part in parsed}
    written = {part: writer.write(parsed[part].nodes) for part, writer in writers.items()}
    if gaps := [name for writer in writers.values() for name in writer.gaps]:
        raise MissingVariables(dict.fromkeys(gaps))
    html = written.get("html", "")
    return Rendered(subject=one_subject(written["subject"]), text=written.get("text") or html_bodies.as_text(html), html=html)


def outer_problems(source: TemplateSource) -> list[Problem]:
    """What is wrong with the parts as texts, before they are read as templates."""
    problems = []
    every: list[tuple[PartName, str]] = [("subject", source.subject), ("text", source.text), ("html", source.html)]
    for part, text in every:
        clean = text_input.one_line if part == "subject" else text_input.many_lines
        try:
            clean(text, field=part.capitalize(), limit=SOURCE_LIMIT, required=part == "subject")
        except text_input.TextRefused as refusal:
            problems.append(Problem(part=part, line=1, sentence=refusal.sentence))
    if not source.text.strip() and not source.html.strip():
        problems.append(Problem(part="text", line=1, sentence="Write a text or an HTML part."))
    return problems


def parts(source: TemplateSource) -> Iterator[tuple[PartName, str]]:
    yield "subject", source.subject.strip()
    if source.text.strip():
        yield "text", source.text
    if source.html.strip():
        yield "html", source.html


def plain_value(value: Value) -> Any:
    """The value as templates see it: plain, and empty text where there is nothing to show."""
    if isinstance(value, list):
        return [{column: plain_value(cell) for column, cell in row.items()} for row in value]
    # Exactly these types: a subclass may bring methods, or claim to be safe HTML.
    assert value is None or type(value) in (str, int, bool, Decimal, date), f"a template takes plain values, not {type(value)}"
    return "" if value is None or (isinstance(value, str) and not value.strip()) else value


def has_value(use: template_language.Use, values: Mapping[str, Any]) -> bool:
    """Whether what the template names is there at all, and is a list exactly where it is used as one."""
    name, _, column = use.name.partition(".")
    value = values.get(name)
    if column:
        return use.in_loop and isinstance(value, list) and all(column in row for row in value) and use.role is not Role.LOOPED
    return value is not None and (use.role is Role.TESTED or isinstance(value, list) == (use.role is Role.LOOPED))


def one_subject(subject: str) -> str:
    try:
        return text_input.one_line(subject, field="Subject", limit=SUBJECT_LIMIT)
    except text_input.TextRefused as refusal:
        raise TemplateRefused([Problem(part="subject", line=1, sentence=refusal.sentence)]) from None


class Writer:
    """Writes the nodes of one part, piece by piece so that no loop outgrows its limit, and collects the names of gaps."""

    def __init__(self, values: Mapping[str, Any], *, part: PartName) -> None:
        self.part = part
        self.context = Context(dict(values), autoescape=part == "html")
        self.gaps: list[str] = []
        self.turns = 0

    def write(self, nodes: NodeList) -> str:
        pieces, size = [], 0
        for piece in self.pieces(nodes):
            size += len(piece.encode(errors="surrogatepass"))
            if size > OUTPUT_LIMIT:
                raise self.refusal(f"This part would be longer than {OUTPUT_LIMIT:,} bytes.")
            pieces.append(piece)
        return "".join(pieces)

    def pieces(self, nodes: Iterable[Any]) -> Iterator[str]:
        for node in nodes:
            if isinstance(node, TextNode):
                yield node.s
            elif isinstance(node, VariableNode):
                yield self.printed(node.filter_expression)
            elif isinstance(node, IfNode):
                yield from self.pieces(self.branch(node))
            elif isinstance(node, ForNode):
                yield from self.loop(node)

    def branch(self, node: Any) -> Iterable[Any]:
        for condition, nodes in node.conditions_nodelists:
            if condition is None or condition.eval(self.context):
                return nodes
        return ()

    def loop(self, node: Any) -> Iterator[str]:
        rows = node.sequence.resolve(self.context)
        if not rows:
            yield from self.pieces(node.nodelist_empty)
        for counter, row in enumerate(reversed(rows) if node.is_reversed else rows, start=1):
            self.turns += 1
            if self.turns > TURNS_LIMIT:
                raise self.refusal(f"The loops of this part would turn more than {TURNS_LIMIT:,} times.")
            place = {"counter": counter, "first": counter == 1, "last": counter == len(rows)}
            with self.context.push(**{node.loopvars[0]: row, "forloop": place}):
                yield from self.pieces(node.nodelist_loop)

    def printed(self, expression: FilterExpression) -> str:
        value = expression.var.resolve(self.context) if expression.is_var else expression.var
        result = expression.resolve(self.context)
        if leaves_gap(expression, value, result):
            self.gaps.append(expression.var.var if expression.is_var else expression.token)
        shown = template_language.spelled_date(result) if isinstance(result, date) else result
        return conditional_escape(shown) if self.context.autoescape else str(shown)

    def refusal(self, sentence: str) -> TemplateRefused:
        return TemplateRefused([Problem(part=self.part, line=1, sentence=sentence)])


def leaves_gap(expression: FilterExpression, value: Any, result: Any) -> bool:
    """Nothing to show, and the template does not say that this is all right: `|default:""` does."""
    filters = template_language.filter_names(expression)
    if value == "" and not EMPTY_IS_PROVIDED_FOR.intersection(filters):
        return True
    allowed = EMPTY_IS_AN_ANSWER.intersection(filters) or literal_default(expression)
    return not allowed and not str(result).strip()


def literal_default(expression: FilterExpression) -> bool:
    arguments = [given[0][1] for function, given in expression.filters if template_language.NAME_OF_FILTER[function] == "default"]
    return any(not isinstance(argument, Variable) for argument in arguments)
