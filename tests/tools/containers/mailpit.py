#!/usr/bin/env python3
"""A mail catcher that stands in for Mailpit where its image cannot be pulled.

Takes mails over SMTP on port 1025 and keeps them in memory. Serves the two calls of Mailpit's HTTP API that the tests
use on port 8025, in Mailpit's JSON: GET /api/v1/messages (newest first) and GET /api/v1/message/{ID}.
"""

import asyncio
import datetime
import email
import email.policy
import email.utils
import json
import signal
import uuid

LONGEST_LINE = 1 << 20
MAILS = []


def addresses(message, header):
    found = email.utils.getaddresses([str(value) for value in message.get_all(header, [])])
    return [{"Name": name, "Address": address} for name, address in found if address]


def body(message, kind):
    part = message.get_body(preferencelist=(kind,))
    return part.get_content() if part is not None else ""


def received(sender, recipients, data):
    message = email.message_from_bytes(data, policy=email.policy.default)
    text = body(message, "plain")
    to = addresses(message, "To")
    named = {entry["Address"] for entry in to + addresses(message, "Cc")}
    MAILS.append({
        "ID": uuid.uuid4().hex[:22],
        "MessageID": str(message.get("Message-ID", "")).strip("<>"),
        "Read": False,
        "From": (addresses(message, "From") or [{"Name": "", "Address": sender}])[0],
        "To": to,
        "Cc": addresses(message, "Cc"),
        # Recipients of the envelope that no header names.
        "Bcc": [{"Name": "", "Address": address} for address in recipients if address not in named],
        "ReplyTo": addresses(message, "Reply-To"),
        "ReturnPath": sender,
        "Subject": str(message.get("Subject", "")),
        "Created": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "Size": len(data),
        "Attachments": 0,
        "Snippet": " ".join(text.split())[:250],
        "Text": text,
        "HTML": body(message, "html"),
    })


async def smtp(reader, writer):
    sender, recipients = None, []

    async def say(line):
        writer.write(line.encode() + b"\r\n")
        await writer.drain()

    await say("220 mail catcher")
    while line := await reader.readline():
        command = line.decode(errors="replace").strip()
        verb = command[:4].upper()
        if verb == "EHLO":
            await say("250-mail catcher\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 26214400")
        elif verb in ("HELO", "NOOP"):
            await say("250 OK")
        elif verb == "MAIL":
            sender, recipients = command.partition("<")[2].partition(">")[0], []
            await say("250 OK")
        elif verb == "RCPT":
            recipients.append(command.partition("<")[2].partition(">")[0])
            await say("250 OK")
        elif verb == "RSET":
            sender, recipients = None, []
            await say("250 OK")
        elif verb == "DATA" and sender is not None and recipients:
            await say("354 end with a line that is a dot")
            lines = []
            while (line := await reader.readline()) not in (b".\r\n", b".\n", b""):
                lines.append(line[1:] if line.startswith(b".") else line)
            if line:
                received(sender, recipients, b"".join(lines))
                await say("250 OK")
            sender, recipients = None, []
        elif verb == "DATA":
            await say("503 MAIL and RCPT first")
        elif verb == "QUIT":
            await say("221 bye")
            break
        else:
            await say("502 not implemented")
    writer.close()


def answer(method, path):
    path = path.partition("?")[0]
    if method != "GET":
        return "405 Method Not Allowed", {"Error": "only GET"}
    if path == "/api/v1/messages":
        hidden = ("ReturnPath", "Text", "HTML")
        shown = [{key: value for key, value in mail.items() if key not in hidden} for mail in reversed(MAILS)]
        count = len(shown)
        counts = {"total": count, "unread": count, "count": count, "messages_count": count, "start": 0, "tags": []}
        return "200 OK", {**counts, "messages": shown}
    if path.startswith("/api/v1/message/"):
        name = path.rpartition("/")[2]
        for mail in reversed(MAILS):
            if name in (mail["ID"], "latest"):
                return "200 OK", {**mail, "Date": mail["Created"], "Tags": [], "Inline": [], "Attachments": []}
    return "404 Not Found", {"Error": "not found"}


async def http(reader, writer):
    request = (await reader.readline()).decode(errors="replace").split()
    while (await reader.readline()).strip():
        pass
    status, value = answer(*request[:2]) if len(request) == 3 else ("400 Bad Request", {"Error": "no HTTP"})
    content = json.dumps(value).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\nconnection: close"
    writer.write(head.encode() + b"\r\n\r\n" + content)
    await writer.drain()
    writer.close()


async def main():
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await asyncio.start_server(smtp, "0.0.0.0", 1025, limit=LONGEST_LINE)
    await asyncio.start_server(http, "0.0.0.0", 8025, limit=LONGEST_LINE)
    print("mail catcher: SMTP on 1025, HTTP on 8025", flush=True)
    await stop.wait()


asyncio.run(main())
