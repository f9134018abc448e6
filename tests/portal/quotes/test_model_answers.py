"""From a model's words to an assessment, or to the sentence that says why they are none."""

import json

import pytest

from portal.quotes.gateways.model_answers import NoAssessment, assessment_in
from portal.quotes.prompt import SCHEMA
from tests.portal.quotes.hostile import LIE as GOOD

TEXT = json.dumps(GOOD)
ACCEPTED = [
    TEXT,
    f"\n\t {TEXT} \n",
    f"```json\n{TEXT}\n```",
    f"```\n{json.dumps(GOOD, indent=2)}\n```\n",
    json.dumps(GOOD | {"cubic_yards": 2}),
]
REFUSED = [  # what the model wrote, words of the sentence
    ("", "its answer is empty"),
    (" \n ", "its answer is empty"),
    ("```json\n\n```", "its answer is empty"),
    ("I would say 8 bags.", "gave no assessment, but 'I would say 8 bags.'"),
    (f"Here: {TEXT}", "gave no assessment, but"),
    (f"{TEXT} I hope it helps.", "more in the answer than one JSON object"),
    (f"{TEXT},{TEXT}", "more in the answer than one JSON object"),
    (f"```json\n{TEXT}\n```\n```json\n{TEXT}\n```", "more in the answer|gave no assessment"),
    (f"[{TEXT}]", "gave no assessment, but"),
    (json.dumps(TEXT), "gave no assessment, but"),
    ("null", "gave no assessment, but 'null'"),
    ("7", "gave no assessment, but"),
    (TEXT[:-1], "not whole JSON: line 1 column"),
    ("{" * 100_000, "not whole JSON"),
    ('{"bags":' * 100_000, "no JSON that can be read|not whole JSON"),
    ('{"bags": ' + "9" * 5_000 + "}", "no JSON that can be read"),
    (TEXT.replace("0.1", "Infinity"), "The answer has Infinity"),
    (TEXT.replace("0.1", "1e999999"), "Field 'cubic_yards' is 1E"),
]
WRONG = [  # a field, its value, words of the sentence
    ("primary_type", "gold", "Field 'primary_type' is 'gold'"),
    ("primary_type", "organic", "organic is not among waste_types"),
    ("primary_type", ["general"], "Field 'primary_type'"),
    ("waste_types", [], "Field 'waste_types'"),
    ("waste_types", "recyclable", "Field 'waste_types'"),
    ("bags", 501, "Field 'bags' is 501"),
    ("bags", 1.0, "Field 'bags' is 1.0"),
    ("bags", True, "Field 'bags' is True"),
    ("bags", None, "Field 'bags' is None"),
    ("cubic_yards", "0.1", "Field 'cubic_yards' is a text"),
    ("cubic_yards", True, "Field 'cubic_yards' is True"),
    ("cubic_yards", -1, "Field 'cubic_yards' is -1"),
    ("cubic_yards", 200.01, "Field 'cubic_yards' is 200.01"),
    ("cubic_yards", 0.123, "Field 'cubic_yards' is 0.123"),
    ("items", ["x"] * 31, "Field 'items'"),
    ("items", [""], "Field 'items.0'"),
    ("items", ["x" * 121], "Field 'items.0'"),
    ("items", [7], "Field 'items.0' is 7"),
    ("items", "sofa", "Field 'items' is 'sofa'"),
    ("items", ["sofa", "www.evil.example"], "a link in line 2"),
    ("items", ["ring 416 555 0199"], "a telephone number in line 1"),
    ("items", ["evil.com"], "a web address in line 1"),
    ("items", ["anna＠client．ca"], "an e-mail address in line 1"),
    ("items", ["<b>sofa</b>"], "markup in line 1"),
    ("items", ["&lt;b&gt;"], "markup in line 1"),
    ("items", ["{{ 7 * 7 }}"], "markup in line 1"),
    ("items", ["[pay](evil)"], "markup in line 1"),
    ("items", ["a\x00b"], "a control character in line 1"),
    ("items", ["a\nb"], "a control character in line 1"),
    ("items", ["a\u202eb"], "a control character in line 1"),
    ("items", ["a\ud800b"], "A text is no Unicode"),
    ("hazardous_items", 51, "Field 'hazardous_items' is 51"),
    ("compliance_issues", -1, "Field 'compliance_issues' is -1"),
    ("methods", ["throw_into_the_lake"], "Field 'methods.0'"),
    ("is_commercial", "yes", "Field 'is_commercial' is 'yes'"),
    ("confidence", 101, "Field 'confidence' is 101"),
    ("confidence", "high", "Field 'confidence' is 'high'"),
    ("price", 868.5, "Field 'price' is not accepted"),
    ("recipients", ["x@evil.example"], "Field 'recipients' is not accepted"),
    ("\u202e\x00" * 500, 1, "is not accepted"),
    ("\ud800\x00" * 500, 1, "A text is no Unicode"),
]
HARMLESS = ["2 × sofa", "boxes (< 2 ft)", "80 % drywall", "café tables, ~3 yd³", "bed & mattress", "No. 7 stove; 2nd-hand"]


@pytest.mark.parametrize("text", ACCEPTED)
def test_one_object_alone_is_an_assessment(text):
    assert assessment_in(text, canary="c4n4ry").bags == 1


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_anything_but_one_whole_object_is_none(text, why):
    with pytest.raises(NoAssessment, match=why):
        assessment_in(text, canary="c4n4ry")


@pytest.mark.parametrize(("field", "value", "why"), WRONG)
def test_a_wrong_field_is_named(field, value, why):
    with pytest.raises(NoAssessment) as trouble:
        assessment_in(json.dumps(GOOD | {field: value}), canary="c4n4ry")

    assert why in str(trouble.value)
    assert str(trouble.value).isprintable()


@pytest.mark.parametrize("field", SCHEMA["required"])
def test_a_missing_field_is_named_though_a_person_might_leave_it_out(field):
    told = {name: value for name, value in GOOD.items() if name != field}

    with pytest.raises(NoAssessment, match=f"Field '{field}' is missing."):
        assessment_in(json.dumps(told), canary="c4n4ry")


@pytest.mark.parametrize("line", HARMLESS)
def test_plain_words_pass(line):
    assert assessment_in(json.dumps(GOOD | {"items": [line]}), canary="c4n4ry").items == (line,)


def test_two_wrong_fields_are_counted():
    with pytest.raises(NoAssessment, match=r"\(and 1 more\)\.$"):
        assessment_in(json.dumps(GOOD | {"bags": -1, "total": 1}), canary="c4n4ry")
