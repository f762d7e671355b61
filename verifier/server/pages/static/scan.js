// Reads QR codes with the camera: pictures go to the service until it has the whole message, which is then uploaded.
"use strict";
(() => {
  const WIDEST = 1280;
  const PAUSE = 120;
  const LONGEST = 120_000; // without anything read: a camera that was forgotten sends no more pictures
  if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) return;
  for (const place of document.querySelectorAll("[data-scan]")) {
    const part = (name) => place.querySelector(`[data-scan-${name}]`);
    const [start, view, video, bar, status, stop, choice, problem] =
      ["start", "view", "video", "bar", "status", "stop", "choice", "problem"].map(part);
    const input = document.getElementById(place.dataset.scanInput);
    const canvas = document.createElement("canvas");
    let stream = null;
    let turn = 0; // counts up with every start and stop, so that an answer that comes too late is nobody's

    const say = (text) => {
      if (status.textContent !== text) status.textContent = text;
    };
    const end = (text) => {
      turn += 1;
      if (stream) stream.getTracks().forEach((track) => track.stop());
      stream = null;
      video.srcObject = null;
      view.hidden = true;
      start.hidden = false;
      problem.hidden = !text;
      problem.textContent = text || "";
    };
    const shown = () => {
      const scale = Math.min(1, WIDEST / Math.max(video.videoWidth, video.videoHeight));
      canvas.width = Math.round(video.videoWidth * scale);
      canvas.height = Math.round(video.videoHeight * scale);
      canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
      return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
    };
    const send = async (texts) => {
      const form = new FormData();
      form.append("csrf", place.dataset.csrf);
      form.append("picture", await shown(), "picture.jpg");
      form.append("texts", new Blob([texts.join("\n")]), "texts.txt");
      const answer = await fetch(place.dataset.scan, {
        method: "POST",
        headers: { Accept: "application/json" },
        body: form,
      });
      if (!answer.ok) throw new Error("not read");
      return answer.json();
    };
    const upload = (texts) => {
      const files = new DataTransfer();
      files.items.add(new File([texts.join("\n")], "scan.txt", { type: "text/plain" }));
      input.files = files.files;
      if (!input.form.checkValidity()) {
        input.form.reportValidity(); // what else is missing is said, and the button of the form is there
        return end("");
      }
      document.body.dataset.leaving = "yes";
      input.form.requestSubmit();
    };
    const read = async (mine) => {
      let texts = [];
      let best = 0;
      let latest = performance.now();
      while (mine === turn) {
        if (performance.now() - latest > LONGEST) return end(place.dataset.failed);
        if (video.videoWidth) {
          const found = await send(texts);
          if (mine !== turn) return;
          if (found.texts.length > texts.length) latest = performance.now();
          texts = found.texts;
          if (found.received > 0) {
            best = Math.max(best, found.received / found.needed);
            bar.value = best;
            say(place.dataset.part.replace("{received}", found.received).replace("{needed}", found.needed));
          } else say(found.foreign ? place.dataset.foreign : place.dataset.looking);
          if (found.done) {
            say(place.dataset.done);
            stream.getTracks().forEach((track) => track.stop());
            return upload(texts);
          }
        }
        await new Promise((again) => setTimeout(again, PAUSE));
      }
    };
    const list = async () => {
      const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
      const used = stream.getVideoTracks()[0].getSettings().deviceId;
      choice.replaceChildren(...cameras.map((one, n) => new Option(one.label || `${n + 1}`, one.deviceId)));
      choice.value = used;
      choice.closest(".field").hidden = cameras.length < 2;
    };
    const begin = async (camera) => {
      end("");
      const mine = (turn += 1);
      const wish = { width: { ideal: WIDEST }, ...(camera ? { deviceId: { exact: camera } } : { facingMode: "environment" }) };
      try {
        const got = await navigator.mediaDevices.getUserMedia({ video: wish, audio: false });
        if (mine !== turn) return got.getTracks().forEach((track) => track.stop());
        stream = got;
        video.srcObject = stream;
        start.hidden = true;
        view.hidden = false;
        bar.value = 0;
        say(place.dataset.looking);
        stop.focus();
        await video.play();
        await list();
      } catch {
        return mine === turn && end(place.dataset.denied);
      }
      try {
        await read(mine);
      } catch {
        if (mine === turn) end(place.dataset.failed);
      }
    };
    start.addEventListener("click", () => begin(""));
    choice.addEventListener("change", () => begin(choice.value));
    stop.addEventListener("click", () => {
      end("");
      start.focus();
    });
    window.addEventListener("pagehide", () => end(""));
    place.hidden = false;
  }
})();
