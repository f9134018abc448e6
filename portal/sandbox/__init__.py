"""A real SMTP server, a real HTTP case-management system (CMS) and an AI on loopback, with a mailbox page and scripted faults.

As a process, without Django or a database: `python -m portal.sandbox --smtp-port 8025 --http-port 8026 --folder var/sandbox`
(`manage.py sandbox` is the same). It prints one line, "sandbox ready: …", and runs until SIGTERM or Ctrl-C.

In a program:

    with Sandbox(folder) as sandbox:                    # or .start() … .stop(); free ports unless smtp_port=, http_port= are given
        send_to("127.0.0.1", sandbox.smtp_port)         # CMS at f"{sandbox.http_url}/cms", AI at f"{sandbox.http_url}/ai/v1"
        sandbox.use(mail={"modes": ["banner-421x3"]})   # a script replaces that server's whole script and counts from nothing
        sandbox.use(mail={}, notes={})                  # all normal again
        sandbox.mail_ledger()                           # also note_ledger(), ai_ledger(), fault_ledger(): lists of dicts, oldest first

A script is {"modes": [spec], "table": {key: spec}, "rates": {spec: share}, "seed": 0}, for notes also "honours_keys": true.
A spec is a fault of `faults.py`, some with `-<seconds>`, any with `x<times>`: `refuse-450x2`, `slow-3`. Who is struck:

- modes: everybody. `down` closes the mail port; the rest strike at their stage.
- table: one recipient or Message-ID (mail), one reference or PID (notes), one city or description (ai), spelled exactly; recipients in
  any case.
- the address itself (mail): `refuse-450x2@client.example`, `anna+drop-after-accept@client.example`, several with more `+`.
- rates: by a hash of seed, stage, key and count. The key is the recipient until DATA, the Message-ID after the dot, the note's
  reference for the CMS. `script.foretell_mail(plan, recipient=…, message_id=…, tries=3)` says what a mail will meet and how it ends,
  `Plan.fault_for(stage, key, nth=…)` what one visit meets; `plan_from(script, server="mail")` makes the plan.

Over HTTP: GET /control tells nonce, ports, scripts, counters and all fault names; POST /control takes {"mail": script, "notes": script,
"ai": script} (each may be left out) and answers the same, or 422 and {"error"} with nothing changed. GET /ledger/mail, /ledger/notes,
/ledger/ai and /ledger/faults give {"nonce", "lines"}, with ?after=N without the first N lines.

The CMS: POST /cms/notes {pid, type, text, next_contact_on, reference} → 201 {"id"}; GET /cms/notes?reference=… → {"notes": [{id, pid,
type, text, next_contact_on, reference}]}; `Authorization: Bearer` is checked when a token is set; Idempotency-Key is honoured on request.

The AI: POST /ai/v1/chat/completions as OpenAI has it, with pictures and a JSON schema. It says what the words say is there, and with
the script `obey` it says whatever the customer's words or pictures order. It believes any key.

In the folder: mail.jsonl (one line per accepted mail and recipient: n, message_id, subject, headers (X-…), recipient, sender, size,
fault, at, nonce), cms.jsonl (the notes, read again at the next start), ai.jsonl (one line per question: n, body without its pictures,
images with size and sha256, tokens, fault, has_key), faults.jsonl (every fault that struck), mail/<n>.eml (the newest 2,000). A line is
written before the client is answered. The nonce is new at each start: compare it with GET /control to be sure whose ledger you read.
"""

from portal.sandbox.server import PortTaken, Sandbox

__all__ = ["PortTaken", "Sandbox"]
