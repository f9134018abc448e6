"""The agreed answers on which configuration is in force, by their ids."""

from datetime import datetime

import pytest
from django.utils import timezone

from portal.config import kinds
from portal.config.models import ConfigVersion
from tests.vectors import of_kind

pytestmark = pytest.mark.django_db


def moment(text: str) -> datetime:
    return timezone.make_aware(datetime.fromisoformat(text))


def put(kind: str, data: dict, *, at: datetime, environment: str = "") -> ConfigVersion:
    whole = data if environment else kinds.kind_named(kind).shipped | data
    return kinds.put(kind, whole, valid_from=at, author=None, note="because", environment=environment)


def put_all(versions: list[dict]) -> dict[int, int]:
    """One after the other; where one ends, the one before it is brought back. The vector's id by our version's number."""
    ours = {kinds.SHIPPED: None}
    before = None
    for told in versions:
        ours[put(told["config_type"], told["data"], at=moment(told["valid_from"])).number] = told["id"]
        if told["valid_to"] and before:
            ours[put(told["config_type"], before["data"], at=moment(told["valid_to"])).number] = before["id"]
        before = told
    return ours


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("config_active"))
def test_which_version_is_in_force(name, given, answer):
    ours = put_all(given["versions"])

    number, _ = kinds.read_version(given["config_type"], at=moment(given["at"]))

    assert ours[number] == answer["active_version_id"]


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("config_merge"))
def test_what_an_environment_changes_is_merged_with_the_rest(name, given, answer):
    begins = moment("2025-01-01T00:00:00")
    put("load_balancing", given["base"], at=begins)
    put("load_balancing", given["environment_overrides"], at=begins, environment=given["environment"])

    _, found = kinds.read_version("load_balancing", at=begins, environment=given["environment"])
    _, elsewhere = kinds.read_version("load_balancing", at=begins, environment="production")

    assert {key: getattr(found, key) for key in answer} == answer
    assert {key: getattr(elsewhere, key) for key in given["base"]} == given["base"]
