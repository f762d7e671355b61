// Asks for the certificates through the browser's Digital Credentials API, where there is one.
"use strict";
(() => {
  const place = document.querySelector("[data-browser]");
  if (!place || typeof window.DigitalCredential === "undefined" || !navigator.credentials) return;
  const button = place.querySelector("button");
  const failed = place.querySelector("[role=alert]");
  const send = (body) =>
    fetch(place.dataset.browser, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF": place.dataset.csrf },
      body: JSON.stringify(body),
    });
  place.hidden = false;
  button.addEventListener("click", async () => {
    failed.hidden = true;
    button.disabled = true;
    try {
      const made = await send({});
      if (!made.ok) throw new Error("no request");
      const { requests, submit } = await made.json();
      const found = await navigator.credentials.get({ mediation: "required", digital: { requests } });
      const data = typeof found.data === "string" ? JSON.parse(found.data) : found.data;
      document.body.dataset.leaving = "yes"; // the answer closes this page's request, which live.js hears of too
      const taken = await send({ submit, data });
      if (!taken.ok) throw new Error("not taken");
      location.replace((await taken.json()).go);
    } catch {
      delete document.body.dataset.leaving;
      document.dispatchEvent(new Event("stay"));
      failed.hidden = false;
      button.disabled = false;
    }
  });
})();
