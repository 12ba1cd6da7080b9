"""Dens of as many keys as are wanted, and as many of them: one server on loopback, which repeats what the simulated Den answers."""

import json
import resource
import shutil
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from simulated import NOT_NOW

KEYS = "/v1/api-keys"
SELECT = "x-openwork-org-id"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # All accounts may come at once.
    request_queue_size = 4096
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


class Answers(BaseHTTPRequestHandler):
    """The organisation that is asked for is the one that answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == KEYS:
            with self.server.keys.open("rb") as file:
                self.answer(self.server.keys.stat().st_size, file)
        else:
            body = self.server.others[self.path].replace(self.server.organization, self.headers.get(SELECT, "").encode())
            self.answer(len(body), body)

    def answer(self, length, body):
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(length))
        self.end_headers()
        if isinstance(body, bytes):
            self.wfile.write(body)
        else:
            shutil.copyfileobj(body, self.wfile)

    def log_message(self, *_):
        pass


def write_keys(file, answer, keys):
    """The keys of an answer again and again, each time with other ids."""
    like = [json.dumps(key, separators=(",", ":"), ensure_ascii=False) for key in json.loads(answer)["apiKeys"]]
    with file.open("w") as out:
        out.write('{"apiKeys":[')
        for number in range(keys):
            key = like[number % len(like)]
            id = json.loads(key)["id"]
            out.write("," * (number > 0) + key.replace(id, f"{id[:14]}{number:016}", 1))
        out.write("]}")


@contextmanager
def dens(site, accounts, keys):
    """A config in the site's folder, of so many accounts, each of an organisation of its own with so many keys."""
    account = site.account("demo-den")
    base_url, session, options = account["base_url"], site.secret(account), account.get("options", {})
    organization = options["organization_id"]

    def simulated(path):
        ask = urllib.request.Request(base_url + path, headers={"authorization": f"Bearer {session}", SELECT: organization})
        return urllib.request.urlopen(ask, timeout=60).read()

    server = Server(("127.0.0.1", 0), Answers)
    server.organization = organization.encode()
    server.others = {path: simulated(path) for path in ("/v1/me", "/v1/org")}
    server.keys = site.folder / "den-keys.json"
    write_keys(server.keys, simulated(KEYS), keys)
    config = site.folder / "dens.toml"
    config.write_text("".join(settings(f"http://127.0.0.1:{server.server_port}", accounts, keys)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield config
    finally:
        server.shutdown()
        server.server_close()


def settings(base_url, accounts, keys):
    yield f'[inventory]\npath = "dens.db"\n[limits]\nwire_bytes = "1GiB"\ninflated_bytes = "1GiB"\nitems_per_answer = {keys}\n'
    for number in range(accounts):
        yield (
            f'[accounts.den-{number:04}]\nprovider = "den"\ncredential_file = "den-session"\nbase_url = "{base_url}"\n'
            f'pace = 60000\nschedule = "{NOT_NOW}"\noptions = {{ organization_id = "org_{number:026}", sign_in = "session" }}\n'
        )
