"""A browser without a screen for the issuer's pages over ASGI: cookies, links and forms."""

from __future__ import annotations

import html
import re

from tests.services.issuer_kit import BASE, CODE

TOKEN = "operator-token-of-this-test-0123456789"


class Browser:
    """Cookies, links and forms; it follows redirects on our own site only."""

    def __init__(self, service, *, lang="ko"):
        self.service, self.cookies, self.headers = service, {}, {"Accept-Language": lang}
        self.answer = None

    def send(self, method, url, *, data=None, headers=None):
        sent = {**self.headers, **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.service.send(method, url, data=data, headers=sent)
        for line in answer.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            value = rest.partition(";")[0].strip('"')
            if "max-age=0" in rest.lower() or not value:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        self.answer = answer
        return answer

    def get(self, place):
        answer = self.send("GET", place if place.startswith(("http", "/garam")) else f"/garam{place}")
        while answer.status_code == 303 and answer.headers["location"].startswith(("/", BASE)):
            answer = self.send("GET", answer.headers["location"])
        return answer

    def form(self, action=""):
        """The hidden fields of the form with that action."""
        found = re.search(
            rf'<form[^>]*action="[^"]*{re.escape(action)}"[^>]*>(.*?)</form>', self.answer.text, re.DOTALL
        )
        assert found, action
        pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found[1])
        return {html.unescape(name): html.unescape(value) for name, value in pairs}

    def submit(self, action, follow=True, **more):
        data = self.form(action) | more
        answer = self.send("POST", f"/garam{action}", data=data)
        if follow and answer.status_code == 303 and answer.headers["location"].startswith(("/", BASE)):
            return self.get(answer.headers["location"])
        return answer

    def login(self, subject="key-17"):
        self.get("/apply/login")
        return self.submit("/development/authorize", subject=subject)

    def operate(self):
        self.get("/operator")
        answer = self.send("POST", "/garam/operator/login", data={"token": TOKEN})
        assert answer.status_code == 303
        return self.get("/operator")

    def apply(self, code=CODE, purpose="finance"):
        self.get(f"/apply/types/{code}/check?chosen=1")
        return self.submit(f"/apply/types/{code}", purpose=purpose)


def heading(answer):
    return re.search(r"<h1>(.*?)</h1>", answer.text, re.DOTALL)[1].strip()
