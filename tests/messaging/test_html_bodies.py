"""The HTML of an e-mail: what it may not hold, each case with a twin that is accepted, and its words as plain text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging import html_bodies
from messaging.rendering import TemplateSource, check, render

VALUES = {"name": "Ana <Ruiz>", "site_url": "https://www.office.example/"}

HTML = [  # TPL-13 and its relatives
    ('<a href="javascript:alert(1)">x</a>', "Link 'javascript:alert(1)' is not allowed", '<a href="https://www.firm.example/">x</a>'),
    ('<a href=" java\nscript:alert(1)">x</a>', "Link 'javascript:alert(1)' is not allowed", '<a href="mailto:a@firm.example">x</a>'),
    ('<a href="&#106;avascript:alert(1)">x</a>', "Link 'javascript", '<a href="tel:555-0100">x</a>'),
    ('<img src="data:image/png;base64,AA">', "Link 'data:", '<img src="https://www.firm.example/a.png">'),
    ('<a href="http://www.firm.example/">x</a>', "Link 'http:", '<a href="#top">x</a>'),
    ('<a href="https://10.0.0.7/">x</a>', "Link must name a public host", '<a href="https://ten.example/">x</a>'),
    ('<a href="https://bit.ly/x">x</a>', "Link 'https://bit.ly/x' hides", '<a href="https://habit.example/x">x</a>'),
    ('<a href="{{ name }}">x</a>', "Link '{{name}}' is not allowed", '<a href="{{ site_url }}">x</a>'),
    ('<a href="https://{{ name }}/">x</a>', "Link must name a public host", '<a href="https://a.example/{{ name|default:"-" }}">x</a>'),
    ('<a href="www.firm.example">x</a>', "Link 'www.firm.example' is not allowed", '<a href="https://www.firm.example">x</a>'),
    ("<a title={{ name }}>x</a>", "Put quotes around a field", '<a title="{{ name }}">x</a>'),
    ("<p {{ name }}>x</p>", "'{{name}}' is not allowed inside <p>", "<p>{{ name }}</p>"),
    ('<p onclick="x()">x</p>', "'onclick' is not allowed inside <p>", '<p title="x">x</p>'),
    ("<script>x</script>", "<script> is not allowed", "<style>p { margin: 0 }</style><p>x</p>"),
    ("<iframe></iframe>", "<iframe> is not allowed", "<div>x</div>"),
    ('<meta http-equiv="refresh" content="0">', "<meta> is not allowed", '<meta charset="utf-8">x'),
    ("<p>a</p>\n<p b", "'<' is not closed with '>'", "<p>a</p>\n<p>b"),
    ("<!-- a", "'<' is not closed with '>'", "<!-- a -->1 < 2"),
    ('<a href="#">x</a>' * 101, "101 links are too many", '<a href="#">x</a>' * 100),
    ("{{ name|safe }}", "Filter 'safe'", "{{ name|linebreaks }}"),
]


@pytest.mark.parametrize(("refused", "sentence", "accepted"), HTML)
def test_html_that_could_harm_its_reader_is_refused_and_its_twin_is_not(refused, sentence, accepted):
    problems = check(TemplateSource(subject="x", html=refused), example=VALUES)

    assert {problem.part for problem in problems} == {"html"}
    assert any(problem.sentence.startswith(sentence) for problem in problems), problems
    assert check(TemplateSource(subject="x", html=accepted), example=VALUES) == []
    render(TemplateSource(subject="x", html=accepted), values=VALUES)


def test_a_missing_text_part_is_made_from_the_html():  # TPL-12
    html = (
        "<head><title>T</title><style>p { margin: 0 }</style></head><h1>Hello&nbsp;{{ name }}</h1><p>One\n  two<br>three</p>"
        '<ul><li>a</li><li>b</li></ul><p>See <a href="https://www.firm.example/">our page</a> or '
        '<a href="mailto:a@firm.example">a@firm.example</a>.</p>'
    )

    assert render(TemplateSource(subject="x", html=html), values=VALUES).text == (
        "Hello Ana <Ruiz>\n\nOne two\nthree\n\n- a\n- b\n\nSee our page (https://www.firm.example/) or a@firm.example."
    )


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="<>/=\"' ab!-&;#hrefscript\n", max_size=60))
def test_any_html_can_be_read(html):
    list(html_bodies.flaws(html))

    text = html_bodies.as_text(html)

    assert text == text.strip()
    assert not {"  ", "\n\n\n"} & {text[i : i + n] for n in (2, 3) for i in range(len(text))}
