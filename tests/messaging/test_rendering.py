"""The restricted engine: each refused template has a twin, changed in one place, that is accepted and renders."""

from contextlib import suppress
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging import rendering
from messaging.rendering import MissingVariables, Problem, TemplateRefused, TemplateSource, check, render

VALUES = {
    "name": "Ana <Ruiz>",
    "owner": "",
    "balance": Decimal("1234.5"),
    "today": date(2026, 11, 5),
    "site_url": "https://www.office.example/",
    "cases": [{"pid": "12", "balance": Decimal(5)}, {"pid": "123", "balance": Decimal(7)}],
}

EXAMPLE = {**VALUES, "owner": "Bo Hill"}

TEXTS = [  # what is refused; how its sentence begins; its valid twin; what the twin becomes
    ("Dear\n{{ name", "'{{' is not closed", "Dear\n{{ name }}", "Dear\nAna <Ruiz>"),  # TPL-01
    ("{{ name\n}}", "'{{' is not closed", "{{ name }}\n", "Ana <Ruiz>\n"),
    ("{% if name", "'{%' is not closed", "{% if name %}a{% endif %}", "a"),
    ("{ name }}", "'}}' closes nothing", "{ name }", "{ name }"),
    ("{{ nmae }}", "Unknown field 'nmae'. Did you mean 'name'?", "{{ name }}", "Ana <Ruiz>"),  # TPL-02
    ("{% if nmae %}x{% endif %}", "Unknown field 'nmae'", "{% if name %}x{% endif %}", "x"),
    ("{{ name|default:nmae }}", "Unknown field 'nmae'", "{{ owner|default:name }}", "Ana <Ruiz>"),
    (
        "{{ contact.owner.password }}",
        "Unknown field 'contact.owner.password'. Only these fields: name,",
        "{{ name }}",
        "Ana <Ruiz>",
    ),  # TPL-03
    ("{{ name.upper }}", "Unknown field 'name.upper'", "{{ name|upper }}", "ANA <RUIZ>"),  # TPL-04: calls
    ("{{ cases.0.pid }}", "Unknown field 'cases.0.pid'", "{{ cases|length }}", "2"),
    ("{{ name.__class__ }}", "'{{ name.__class__ }}' cannot be read", "{{ name }}", "Ana <Ruiz>"),
    ("{{ cases }}", "'cases' is a list", "{% for c in cases %}{{ c.pid }} {% endfor %}", "12 123 "),
    ("{% for c in cases %}{{ c }}{% endfor %}", "'cases' is a list", "{% for c in cases %}{{ c.balance }} {% endfor %}", "5 7 "),
    (
        "{% for c in cases %}{{ c.items }}{% endfor %}",
        "Unknown field 'cases.items'",
        "{% for c in cases %}{{ c.pid }}{% endfor %}",
        "12123",
    ),
    ("{% for c in name %}{% endfor %}", "'name' is not a list", "{% for c in cases %}{% endfor %}", ""),
    ("{% for a, b in cases %}{% endfor %}", "Write a loop as", "{% for a in cases %}{% endfor %}", ""),
    ("{% for a in cases|upper %}{% endfor %}", "Write a loop as", "{% for a in cases reversed %}{{ a.pid }} {% endfor %}", "123 12 "),
    ("{% for a in '123' %}{% endfor %}", "Write a loop as", "{% for a in cases %}{% endfor %}", ""),
    ("{{ forloop.counter }}", "Unknown field 'forloop.counter'", "{% for a in cases %}{{ forloop.counter }}{% endfor %}", "12"),
    (
        "{% for a in cases %}{{ forloop.parentloop }}{% endfor %}",
        "Unknown field",
        "{% for a in cases %}{{ forloop.last|yesno }} {% endfor %}",
        "no yes ",
    ),
    ("{% include 'passwd' %}", "Tag 'include' is not allowed", "{# include #}", ""),  # TPL-05
    *(  # TPL-06, TPL-07
        (f"{{% {tag} %}}", f"Tag '{tag.split()[0]}' is not allowed. Allowed: if, for, comment", "{% comment %}note{% endcomment %}", "")
        for tag in ("load i18n", "debug", "url 'a'", "csrf_token", "lorem", "autoescape off", "extends 'a'", "block a", "now 'Y'")
    ),
    ("Dear\n{{ name|money }}", "'{{ name|money }}' shows nothing, whatever", "Dear\n{{ balance|money }}", "Dear\n$1,234.50"),
    ("{{ balance|date:'Y' }}", "'{{ balance|date:'Y' }}' shows nothing", "{{ today|date:'Y' }}", "2026"),
    ("{{ today|date:'H:i' }}", "'{{ today|date:'H:i' }}' shows nothing", "{{ today|date:'m/d' }}", "11/05"),
    ("{{ today|lower|date }}", "'{{ today|lower|date }}' shows nothing", "{{ today|date|lower }}", "november 5, 2026"),
    ("{{ '' }}", "'{{ '' }}' shows nothing", "{{ ''|default:'x' }}", "x"),
    ("{% if owner %}{{ name|date }}{% endif %}", "'{{ name|date }}' shows nothing", "{% if owner %}{{ name }}{% endif %}x", "x"),
    (
        "{% for c in cases %}{{ c.pid|money }}{% endfor %}",
        "'{{ c.pid|money }}' shows nothing",
        "{% for c in cases %}{{ c.balance|money }} {% endfor %}",
        "$5.00 $7.00 ",
    ),
    ("{% for c in cases %}{% empty %}{{ name|date }}{% endfor %}", "'{{ name|date }}' shows", "{{ name|yesno:5 }}", "Ana <Ruiz>"),
    ("{{ balance|date:name }}", "'{{ balance|date:name }}' shows", "{{ cases|length }}{{ cases|length|pluralize:5 }}", "25"),
    ("{{ cases.pid }}", "'pid' belongs to each of 'cases': write {% for", "{% for c in cases %}{{ c.pid }}{% endfor %}", "12123"),
    ("{% if cases.pid %}{% endif %}x", "'pid' belongs to each of", "{% if cases %}x{% endif %}", "x"),
    ("{{ _('x') }}", "'_(…)' translates nothing", "{{ 'x_(' }}", "x_("),
    ("{% if _('x')|upper %}a{% endif %}", "'_(…)' translates nothing", "{% if 'x'|upper %}a{% endif %}", "a"),
    ("{% verbatim %}{{ name }}{% endverbatim %}", "", "{{ name }}", "Ana <Ruiz>"),
    ("{{ name|safe }}", "Filter 'safe' is not allowed here", "{{ name|lower }}", "ana <ruiz>"),
    ("{{ 'a'|ljust:'900000000' }}", "Filter 'ljust' is not allowed here", "{{ 'a'|upper }}", "A"),  # TPL-08
    ("{{ name|center:9 }}", "Filter 'center' is not allowed here", "{{ name|title }}", "Ana <Ruiz>"),
    ("{{ name|stringformat:'999d' }}", "Filter 'stringformat' is not allowed here", "{{ balance|money }}", "$1,234.50"),
    ("{{ name|linebreaks }}", "Filter 'linebreaks' is not allowed here", "{{ name|capfirst }}", "Ana <Ruiz>"),
    ("{{ name|upper:3 }}", "'{{ name|upper:3 }}' cannot be read", "{{ name|upper }}", "ANA <RUIZ>"),
    ("{{ name owner }}", "'{{ name owner }}' cannot be read", "{{ name }} {{ name }}", "Ana <Ruiz> Ana <Ruiz>"),
    ("{{ }}", "'{{  }}' cannot be read", "{{ 7 }}", "7"),
    ("{% %}", "'{%  %}' cannot be read", "{ % }", "{ % }"),
    ("{% if %}a{% endif %}", "'{% if %}' cannot be read", "{% if name and not owner %}a{% endif %}", "a"),
    ("{% if name %}a", "'{% if %}' is never closed with '{% endif %}'", "{% if owner %}a{% else %}b{% endif %}", "b"),
    ("a{% endif %}", "'endif' has no tag before it", "{% if balance > 1000 %}a{% endif %}", "a"),
    ("{% comment %}a", "'{% comment %}' is never closed", "{% comment %}a{% endcomment %}b", "b"),
    ("{% if name %}" * 21 + "{% endif %}" * 21, "Tags within tags go 20 deep at most", "{% if name %}" * 20 + "{% endif %}" * 20, ""),
    ("{{ '" + "a" * 300 + "' }}", "'{{' is not closed", "{{ '" + "a" * 200 + "' }}", "a" * 200),
    ("a\x00b", "Text contains a NUL character at position 2", "ab", "ab"),
    ("a" * 100_001, "Text is 100,001 characters; at most 100,000", "a" * 100_000, "a" * 100_000),
    (" ", "Write a text or an HTML part", ".", "."),
]


@pytest.mark.parametrize(("refused", "sentence", "accepted", "becomes"), TEXTS)
def test_a_template_that_reaches_too_far_is_refused_and_its_twin_renders(refused, sentence, accepted, becomes):
    problems = check(TemplateSource(subject="Hello", text=refused), example=EXAMPLE)
    twin = TemplateSource(subject="Hello", text=accepted)

    assert problems
    assert {problem.part for problem in problems} == {"text"}
    assert any(problem.sentence.startswith(sentence) for problem in problems), problems
    assert check(twin, example=EXAMPLE) == []
    assert render(twin, values=VALUES).text == becomes


SUBJECTS = [  # TPL-10
    ("One\nTwo", "Subject must be one line", "One Two"),
    ("One\u2028Two", "Subject must be one line", "One – Two"),
    ("", "Subject is required", "x"),
    ("{% if name %}\n{% endif %}x", "Subject must be one line", "{% if name %}{% endif %}x"),
    ("{{ nmae }}", "Unknown field 'nmae'", "{{ name }}"),
]


@pytest.mark.parametrize(("refused", "sentence", "accepted"), SUBJECTS)
def test_a_subject_is_one_line(refused, sentence, accepted):
    problem, *rest = check(TemplateSource(subject=refused, text="x"), example=EXAMPLE)

    assert (problem.part, rest) == ("subject", [])
    assert problem.sentence.startswith(sentence)
    assert check(TemplateSource(subject=accepted, text="x"), example=EXAMPLE) == []


def test_problems_name_part_and_line_in_reading_order():
    source = TemplateSource(subject="{{ nam }}", text="ok", html='<p>\n{{ nmae }}\n<a href="http://x.example">{{ ownr }}</a></p>')

    assert [str(problem).split(".")[0] for problem in check(source, example={"name": "Ana", "owner": "Bo"})] == [
        "Subject, line 1: Unknown field 'nam'",
        "Html, line 2: Unknown field 'nmae'",
        "Html, line 3: Link 'http://x",
        "Html, line 3: Unknown field 'ownr'",
    ]


def test_html_is_escaped_and_text_is_not():
    rendered = render(TemplateSource(subject="{{ name }}", text="{{ name }}", html="<b>{{ name }}</b>"), values=VALUES)

    assert rendered == rendering.Rendered(subject="Ana <Ruiz>", text="Ana <Ruiz>", html="<b>Ana &lt;Ruiz&gt;</b>")


def test_a_value_that_looks_like_a_template_stays_text():  # TPL-17
    source = TemplateSource(subject="x", text="{{ name }}{{ owner|default:name }}")

    assert render(source, values={"name": "{{ secret }}{% debug %}", "owner": None}).text == "{{ secret }}{% debug %}" * 2


def test_dates_and_amounts_are_written_for_people():
    source = TemplateSource(subject="x", text="{{ today }} | {{ today|date:'m/d/Y' }} | {{ balance|money }} | {{ balance }}")

    assert render(source, values=VALUES).text == "November 5, 2026 | 11/05/2026 | $1,234.50 | 1234.5"


GAPS = [  # template; values besides VALUES; names missing
    ("{{ owner }}", {}, ("owner",)),
    ("{{ owner }}", {"owner": None}, ("owner",)),
    ("{{ owner|upper }} {{ owner }}", {"owner": "  "}, ("owner",)),
    ("{{ owner|default:name }}", {"name": ""}, ("owner",)),
    ("{{ name|money }}", {}, ("name",)),  # a filter that cannot show it
    ("{{ today|date:'H:i' }}", {}, ("today",)),
    ("{{ nobody }} {% if nothing %}{{ owner }}{% endif %}", {}, ("nobody", "nothing", "owner")),
    ("{% if name %}{% else %}{{ nobody }}{% endif %}", {}, ("nobody",)),  # unknown, on a branch not taken
    ("{% for c in cases %}{{ c.pid }}{% endfor %}", {"cases": [{"pid": "1"}, {"pid": ""}]}, ("c.pid",)),
    ("{% for c in cases %}{{ c.pid }}{% endfor %}", {"cases": [{"pid": "1"}, {}]}, ("cases.pid",)),
    ("{% for c in name %}{% endfor %}", {}, ("name",)),
    ("{{ cases }}", {}, ("cases",)),
]


@pytest.mark.parametrize(("text", "values", "names"), GAPS)
def test_nothing_is_rendered_with_a_gap(text, values, names):
    with pytest.raises(MissingVariables) as missing:
        render(TemplateSource(subject="x", text=text), values={**VALUES, **values})

    known = set(missing.value.names)
    assert known <= set(names)
    assert missing.value.names[0] == names[0]
    assert names[0] in str(missing.value)


def test_all_gaps_of_all_parts_are_named_at_once():
    source = TemplateSource(subject="{{ owner }}", text="{{ name }}", html="{{ owner }} {{ balance }}")

    with pytest.raises(MissingVariables) as missing:
        render(source, values={"owner": "", "name": None, "balance": Decimal(0)})

    assert missing.value.names == ("owner", "name")


FILLED = [  # template; what it becomes though `owner` is empty
    ("{{ owner|default:'Counsel' }}", "Counsel"),
    ("{{ owner|upper|default:'Counsel' }}", "Counsel"),
    ("{{ owner|default:'' }}.", "."),
    ("{% if owner %}{{ owner }}{% else %}none{% endif %}", "none"),
    ("{{ owner|yesno:'yes,no' }}", "no"),
    ("{{ cases|length }} case{{ cases|length|pluralize }}", "2 cases"),
    ("{% for c in cases %}{% empty %}none{% endfor %}x", "x"),
]


@pytest.mark.parametrize(("text", "becomes"), FILLED)
def test_a_template_may_provide_for_an_empty_value(text, becomes):
    assert render(TemplateSource(subject="x", text=text), values=VALUES).text == becomes


def test_an_empty_list_shows_what_stands_under_empty():
    source = TemplateSource(subject="x", text="{% for c in cases %}{{ c.pid }}{% empty %}none{% endfor %}")

    assert render(source, values={"cases": []}).text == "none"


def test_a_value_cannot_break_the_subject():
    source = TemplateSource(subject="About {{ name }}", text="x")

    with pytest.raises(TemplateRefused, match="Subject must be one line"):
        render(source, values={"name": "Ana\r\nBcc: all@firm.example"})
    assert render(source, values={"name": "Ana"}).subject == "About Ana"


NESTED = "{% for a in cases %}{% for b in cases %}x{% endfor %}{% endfor %}"
LARGE = [  # TPL-09: template, cases in the list, what is said or how long it becomes
    (NESTED, 100, "more than 10,000 times"),  # 100 outer turns and 10,000 inner ones
    (NESTED, 99, 9_801),
    ("{% for a in cases %}{{ a.pid }}{% endfor %}", 501, "longer than 500,000 bytes"),
    ("{% for a in cases %}{{ a.pid }}{% endfor %}", 500, 500_000),
]


@pytest.mark.parametrize(("text", "rows", "said"), LARGE)
def test_loops_and_output_are_bounded(text, rows, said):
    source = TemplateSource(subject="x", text=text)
    values = {"cases": [{"pid": "y" * 1000}] * rows}

    if isinstance(said, int):
        assert len(render(source, values=values).text) == said
    else:
        with pytest.raises(TemplateRefused, match=said):
            render(source, values=values)


def test_a_broken_template_is_refused_at_render_as_well():
    with pytest.raises(TemplateRefused) as refused:
        render(TemplateSource(subject="x", text="Dear\n{{ name"), values=VALUES)

    assert refused.value.problems == [
        Problem(part="text", line=2, sentence="'{{' is not closed on its line, or only after 300 characters.")
    ]


class Shouting(str):
    pass


@pytest.mark.parametrize("value", [Shouting("x"), object(), {"a": 1}, lambda: "x"])
def test_only_plain_values_are_taken(value):
    with pytest.raises(AssertionError, match="plain values"):
        render(TemplateSource(subject="x", text="{{ name }}"), values={"name": value})


@pytest.mark.parametrize("scrap", ["<a ", "<!--", "</", "<a href='", "{{a", "{% ", "{#", "<![CDATA[", "&#", "<b> </b>", "{{a}}", "{{ 'a"])
def test_a_part_full_of_scraps_is_answered_at_once(scrap):  # quadratic readers took minutes here
    assert len(check(TemplateSource(subject="x", html=(scrap * 100_000)[:100_000]), example=EXAMPLE)) <= 20


TAGS = ["{{", "}}", "{%", "%}", "{#", "#}", "if", "else", "endif", "for a in", "empty", "endfor", "verbatim", "comment", "forloop"]
WORDS = [" ", "name", "cases", "a.pid", "|", ":", "'", '"', "not", "(", "_(", "1e9", ".", "-", "\n", "==", "__", "<a href=", ">", "é"]
PARTS = ["{{ name|", "{{ cases|length|", "yesno:1", "pluralize:balance", "linebreaks:1", "date:today", "cases.pid", "_('x')|", "{% if "]
SCRAPS = st.sampled_from(TAGS + WORDS + PARTS)


@settings(max_examples=300, deadline=None)
@given(st.lists(SCRAPS, max_size=25).map("".join))
def test_any_scrap_of_template_is_either_fit_or_explained(scrap):
    source = TemplateSource(subject="x", text=scrap, html=scrap)

    if not check(source, example=EXAMPLE):
        with suppress(MissingVariables):
            render(source, values=VALUES)
