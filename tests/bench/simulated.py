"""Simulated providers with a config that fits, in a folder of their own, for as long as they are needed."""

import json
import re
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

# Half a day from now, when no benchmark runs any more.
NOT_NOW = f"0 {(time.gmtime().tm_hour + 12) % 24} * * *"


class Site:
    """`with Site(program, scratch, "--keys", "100000") as site:`; what it started ends with it."""

    def __init__(self, program, scratch, *arguments):
        self.folder = Path(scratch)
        self.log = self.folder.with_suffix(".log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [program, "simulate", "--listen", "127.0.0.1:0", "--write-config", str(self.folder), *arguments], stdout=log, stderr=log
            )
        self.config = self.folder / "keymuster.toml"
        self.address = self._address()
        account = self.account("demo-openai")
        self.base_url = account["base_url"]
        self.token = self.secret(account)

    def _address(self):
        for _ in range(1200):
            said = re.search(r"http://([0-9.:]+)/", self.log.read_text())
            if said and self.config.exists():
                return said[1]
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.process.kill()
        sys.exit(f"the simulated providers did not start:\n{self.log.read_text()}")

    def account(self, name):
        """What the config says of it."""
        return tomllib.loads(self.config.read_text())["accounts"][name]

    def secret(self, account):
        """What it signs in with."""
        return (self.folder / account["credential_file"]).read_text().strip()

    def set(self, pattern, line):
        """Replaces lines of the config."""
        text, found = re.subn(pattern, line, self.config.read_text(), flags=re.MULTILINE)
        assert found, pattern
        self.config.write_text(text)

    def without_pace(self):
        """Lets the account be polled faster than any provider allows: it is the CPU that is measured."""
        self.set("^pace .*", "pace = 60000")

    def without_schedule(self):
        """Lets the daemon poll when it is told to, and not by itself."""
        self.set("^schedule .*", f'schedule = "{NOT_NOW}"')

    def openai_keys(self):
        """How many keys its OpenAI organisation has."""
        # In a process of its own: a child of one that has been large is never counted smaller.
        truth = f"json.load(urllib.request.urlopen('http://{self.address}/_sim/truth', timeout=600))"
        count = f"sum(key['provider'] == 'openai' and key['listed'] for key in {truth})"
        return int(subprocess.check_output([sys.executable, "-c", f"import json, urllib.request; print({count})"]))

    def live(self, seconds):
        """Lets the organisations live through that many seconds at once."""
        for begun in range(0, seconds, 3600):
            self._ask(f"step?seconds={min(3600, seconds - begun)}", "POST")

    def faults(self, *faults):
        """What goes wrong from now on, in the place of what did."""
        self._ask("faults", "PUT", "\n".join(faults))

    def requests(self, provider):
        """How many requests the provider has been asked so far, and how many of them it refused."""
        asked = [entry for entry in json.loads(self._ask("requests")) if entry["provider"] == provider]
        return sum(entry["count"] for entry in asked), sum(entry["refused"] for entry in asked)

    def truth(self, provider):
        """The provider's keys."""
        return [key for key in json.loads(self._ask("truth")) if key["provider"] == provider]

    def revoke(self, key):
        """Takes a key away."""
        self._ask(f"revoke?key={key['id']}", "POST")

    def _ask(self, path, method="GET", body=""):
        ask = urllib.request.Request(f"http://{self.address}/_sim/{path}", body.encode() or None, method=method)
        return urllib.request.urlopen(ask, timeout=600).read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
