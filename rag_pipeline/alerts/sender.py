"""Delivers messages to one receiver, in a process of its own that its parent can end.

It reads one JSON object (`url`, `messages`) from stdin, and writes one line for each message: what became of it, in words
that are written here and quote no address. It imports nothing of this project, so that it starts fast.
"""

import json
import logging
import re
import sys

SENT, UNKNOWN, UNREACHABLE, NOT_TAKEN = "sent", "no such address", "not reached", "not taken"

CONNECT_S, READ_S = 5.0, 10.0


class _Heard(logging.Handler):
    """What Apprise says of a failure. It may quote addresses, so it is looked at and never shown."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += record.getMessage() + "\n"

    def says(self) -> str:
        if code := re.search(r"error=(\d{3})\b", self.text):
            return f"answered {code[1]}"
        return UNREACHABLE if re.search(r"(?i)connection|timed? ?out|socket|resolve", self.text) else NOT_TAKEN


def main() -> None:
    work = json.load(sys.stdin)
    heard = _Heard()
    log = logging.getLogger("apprise")
    log.handlers, log.propagate = [heard], False
    log.setLevel(logging.INFO)
    import apprise

    asset = apprise.AppriseAsset(app_id="rag", app_desc="release pipeline", storage_mode="memory", async_mode=False)
    server = apprise.Apprise.instantiate(work["url"], asset=asset)
    for message in work["messages"]:
        if server is None:
            _tell(UNKNOWN)
            return
        if server.socket_connect_timeout == apprise.URLBase.socket_connect_timeout:  # unless the address says otherwise
            server.socket_connect_timeout = CONNECT_S
        if server.socket_read_timeout == apprise.URLBase.socket_read_timeout:
            server.socket_read_timeout = READ_S
        one = apprise.Apprise(asset=asset)
        one.add(server)
        heard.text = ""
        done = one.notify(
            title=message["title"],
            body=message["body"],
            notify_type=message["kind"],
            body_format=apprise.NotifyFormat.TEXT,
            interpret_escapes=False,
        )
        _tell(SENT if done else heard.says())
        if not done:
            return


def _tell(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
