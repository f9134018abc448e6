"""The sandbox of text messages takes each once, and nothing that is none."""

import pytest

from messaging.gateways.sms import LONGEST, SandboxTextMessages, TextMessage, TextMessageRefused


def test_the_sandbox_writes_each_text_once(tmp_path):
    sandbox = SandboxTextMessages(tmp_path / "texts.jsonl")
    message = TextMessage(key="birthday:1:2026", phone="312-555-0100", text="Happy birthday!")

    assert [sandbox.send(message), sandbox.send(message)] == ["sandbox:birthday:1:2026"] * 2
    assert len((tmp_path / "texts.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize(("phone", "text"), [("", "Hi"), ("none", "Hi"), ("312-555-0100", ""), ("312-555-0100", "x" * (LONGEST + 1))])
def test_what_is_no_text_message_is_refused_by_name(phone, text):
    with pytest.raises(TextMessageRefused, match="birthday:1:2026"):
        TextMessage(key="birthday:1:2026", phone=phone, text=text)
