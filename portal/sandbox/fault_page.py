"""The page on which a person switches faults on and off; /control is the same for programs."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from portal.sandbox.faults import FAULTS, OUTCOMES, STAGES, Fault
from portal.sandbox.inside import Inside
from portal.sandbox.pages import frame
from portal.sandbox.script import NotUnderstood, Plan

TITLES = {"mail": "Mail server", "notes": "Case-management system", "ai": "AI"}
EXAMPLES = {"mail": '{"refuse-450": 0.02}', "notes": '{"500-after-commit": 0.05}', "ai": '{"503": 0.1}'}
COUNTED = {"mail": "slow-3 refuse-450x2", "notes": "503x3", "ai": "slow-3 529x2"}
TABLES = {
    "mail": ("By recipient or Message-ID", '{"anna@client.example": "refuse-450x2"}'),
    "notes": ("By reference or PID", '{"1001": "422"}'),
    "ai": ("By city or description", '{"Calgary": "obey"}'),
}


def fault_page(inside: Inside, *, problem: str = "") -> str:
    """What is in force now, what there is, and the forms that change it."""
    forms = "".join(server_form(server, script.plan) for server, script in inside.scripts.items())
    content = f"""
    <div class="head"><h1>Faults</h1>
      <form method="post" action="/faults"><button name="normal" value="1">Make everything normal</button></form></div>
    {f'<p class="problem" role="alert">{escape(problem)}. Nothing was changed.</p>' if problem else ""}
    <p class="quiet">A ticked fault strikes everybody. An address may also ask for one itself:
      <span class="code">anna+refuse-450x2@client.example</span> is refused twice and then accepted.</p>
    {forms}"""
    return frame(inside, "/faults", "Faults", content)


def server_form(server: str, plan: Plan) -> str:
    plain = [mode for mode in plan.modes if mode in FAULTS[server]]
    counted = " ".join(mode for mode in plan.modes if mode not in FAULTS[server])
    groups = "".join(stage_group(server, stage, plain) for stage in STAGES[server])
    key_title, key_example = TABLES[server]
    keys = checkbox("honours_keys", "1", "Honours idempotency keys", plan.honours_keys) if server == "notes" else ""
    return f"""<form class="script" method="post" action="/faults"><input type="hidden" name="server" value="{server}">
      <div class="head"><h2>{TITLES[server]}</h2><button class="main">Use these faults</button></div>
      <div class="groups">{groups}</div>
      <div class="fields">{field("counted", "With a count or a pause", counted, COUNTED[server])}
      {field("rates", "At random, as shares", dumped(plan.rates), EXAMPLES[server])}
      {field("table", key_title, dumped(plan.table), key_example)}
      {field("seed", "Seed", str(plan.seed), "0")}</div>{keys}</form>"""


def stage_group(server: str, stage: str, ticked: list[str]) -> str:
    faults = [fault for fault in FAULTS[server].values() if fault.stages[0] == stage]
    boxes = "".join(
        checkbox("mode", fault.name, f"{escape(fault.meaning)} {ending(fault)}", fault.name in ticked, named=True) for fault in faults
    )
    title = STAGES[server][stage]
    title = title[0].upper() + title[1:]
    opened = " open" if any(fault.name in ticked for fault in faults) else ""
    return f"<details{opened}><summary>{title} <span class=quiet>{len(faults)}</span></summary>{boxes}</details>"


def ending(fault: Fault) -> str:
    pause = f" Its pause is {fault.seconds:g} s unless you say {fault.name}-&lt;seconds&gt;." if fault.seconds else ""
    return f'<span class="quiet">{pause} An honest client: {escape(OUTCOMES[fault.outcome])}.</span>'


def checkbox(name: str, value: str, label: str, ticked: bool, *, named: bool = False) -> str:
    title = f'<b class="code">{escape(value)}</b> ' if named else ""
    return (
        f'<label class="tick"><input type="checkbox" name="{name}" value="{escape(value)}"{" checked" if ticked else ""}>'
        f"<span>{title}{label}</span></label>"
    )


def field(name: str, label: str, value: str, example: str) -> str:
    return (
        f'<label class="field"><span>{label}</span>'
        f'<input name="{name}" value="{escape(value)}" placeholder="{escape(example)}" autocomplete="off" spellcheck="false"></label>'
    )


def dumped(value: Mapping[str, Any]) -> str:
    return json.dumps(value) if value else ""


def script_from_form(form: Mapping[str, list[str]]) -> dict[str, Any]:
    """What the form asks for, as /control would be told it. Raises NotUnderstood."""
    if "normal" in form:
        return {name: {} for name in FAULTS}
    server = one(form, "server")
    if server not in FAULTS:
        raise NotUnderstood(f"there is no server {server!r:.40}")
    seed = one(form, "seed") or "0"
    if not seed.removeprefix("-").isdecimal() or len(seed) > 18:
        raise NotUnderstood(f"seed is a whole number; got {seed!r:.40}")
    told = {
        "modes": form.get("mode", []) + one(form, "counted").replace(",", " ").split(),
        "rates": json_field(form, "rates"),
        "table": json_field(form, "table"),
        "seed": int(seed),
    }
    return {server: told | ({"honours_keys": "honours_keys" in form} if server == "notes" else {})}


def json_field(form: Mapping[str, list[str]], name: str) -> Any:
    text = one(form, name)
    try:
        return json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise NotUnderstood(f"{name} is not JSON ({error})") from error


def one(form: Mapping[str, list[str]], name: str) -> str:
    return form.get(name, [""])[0].strip()
