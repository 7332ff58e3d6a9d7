"""browser.py - a headless Chromium for tests, driven by the DevTools protocol over two pipes; nothing but Python's library.

Used by report_page_test.py. What the page did that it should not (exceptions, console errors, violations of its policy, requests)
is in Page.complaints and Page.requests.
"""
import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

PATIENCE = 150.0  # seconds for any one answer: two loaded cores are slow


class Browser:
    def __init__(self, program="chromium"):
        self.profile = tempfile.mkdtemp(prefix="ringlab-browser-")
        to_read, self.to = os.pipe()
        self.back, back_write = os.pipe()
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                   "--force-color-profile=srgb", "--remote-debugging-pipe", "--user-data-dir=" + self.profile, "about:blank"]

        def pipes():  # the protocol's: 3 to read from, 4 to write to
            high_in, high_out = os.dup2(to_read, 60), os.dup2(back_write, 61)
            os.dup2(high_in, 3)
            os.dup2(high_out, 4)
            os.set_inheritable(3, True)
            os.set_inheritable(4, True)

        self.log = open(self.profile + "/log", "w+b")
        self.process = subprocess.Popen([program] + options, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=pipes,
                                        close_fds=False, start_new_session=True)
        os.close(to_read)
        os.close(back_write)
        self.rest, self.last, self.listeners = b"", 0, []

    def message(self, deadline):
        while b"\0" not in self.rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.back], [], [], left)[0]:
                raise TimeoutError("Chromium did not answer within %.0f s; its last words: %s" % (PATIENCE, self.words()))
            more = os.read(self.back, 1 << 20)
            if not more:
                raise RuntimeError("Chromium ended; its last words: %s" % self.words())
            self.rest += more
        text, self.rest = self.rest.split(b"\0", 1)
        m = json.loads(text)
        if "method" in m:
            for listen in self.listeners:
                listen(m)
        return m

    def words(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-800:].strip() or "none"

    def call(self, method, session=None, **params):
        self.last += 1
        m = {"id": self.last, "method": method, "params": params}
        if session:
            m["sessionId"] = session
        os.write(self.to, json.dumps(m).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while True:
            got = self.message(deadline)
            if got.get("id") == self.last:
                if "error" in got:
                    raise RuntimeError("%s: %s" % (method, got["error"].get("message")))
                return got["result"]

    def wait(self, what, seconds=PATIENCE):
        """Reads messages until what() is true."""
        deadline = time.monotonic() + seconds
        while not what():
            self.message(deadline)

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()
        os.close(self.to)
        os.close(self.back)
        shutil.rmtree(self.profile, ignore_errors=True)


class Page:
    def __init__(self, browser):
        self.browser, self.complaints, self.requests, self.loaded = browser, [], [], 0
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.listeners.append(self.heard)
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.call(domain + ".enable")

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def heard(self, m):
        p = m.get("params", {})
        if m.get("sessionId") != self.session:
            return
        if m["method"] == "Page.loadEventFired":
            self.loaded += 1
        elif m["method"] == "Runtime.exceptionThrown":
            self.complaints.append("exception: " + json.dumps(p["exceptionDetails"])[:600])
        elif m["method"] == "Runtime.consoleAPICalled" and p["type"] in ("error", "warning", "assert"):
            self.complaints.append("console." + p["type"] + ": " + json.dumps(p["args"])[:600])
        elif m["method"] == "Log.entryAdded" and p["entry"]["level"] in ("error", "warning"):
            self.complaints.append("log: " + p["entry"]["text"][:600])
        elif m["method"] == "Audits.issueAdded" and p["issue"]["code"] != "GenericIssue":  # generic: advice about forms
            self.complaints.append("issue: " + json.dumps(p["issue"])[:600])
        elif m["method"] == "Network.requestWillBeSent":
            self.requests.append(p["request"]["url"][:200])

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, url):
        before = self.loaded
        self.call("Page.navigate", url=url)
        self.browser.wait(lambda: self.loaded > before)

    def run(self, expression):
        """The value of a JavaScript expression, after any promise."""
        r = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in r:
            raise RuntimeError("in the page: " + json.dumps(r["exceptionDetails"])[:600])
        return r["result"].get("value")

    def media(self, scheme="", media=""):
        self.call("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}] if scheme else [])

    def key(self, name, code):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, text="\r" if name == "Enter" and kind == "keyDown" else "")

    def picture(self, path, whole=True):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        with open(path, "wb") as f:
            f.write(base64.b64decode(data))
