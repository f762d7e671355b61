// Shows the next state of a request as soon as the service says so, and counts the time that is left.
"use strict";
(() => {
  const place = document.querySelector("[data-live]");
  const clock = document.querySelector("[data-until]");
  if (clock) {
    const end = performance.now() + 1000 * Number(clock.dataset.until);
    const show = () => {
      const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
      clock.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    };
    document.querySelector("[data-left-label]").hidden = false;
    show();
    setInterval(show, 1000);
  }
  if (!place) return;
  // Not under the feet of another script that is about to leave this page: a navigation ends the one before it.
  let missed = false;
  const again = () => {
    if (document.body.dataset.leaving) missed = true;
    else location.replace(location.pathname);
  };
  document.addEventListener("stay", () => {
    if (missed) again();
  });
  const events = new EventSource(place.dataset.live);
  events.addEventListener("state", (event) => {
    if (event.data !== place.dataset.state) {
      events.close();
      again();
    }
  });
  // A connection that the browser gave up on is no reason to miss the answer.
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) setTimeout(again, 5000);
  });
})();
