// Pages are complete without this script. It only replaces parts of a page when newer ones arrive.
"use strict";

(() => {
  const main = document.querySelector("[data-live]");
  if (!main || !window.EventSource) return;
  const state = document.getElementById("live-state");
  const button = document.getElementById("live-switch");
  const again_ms = 5000;
  let source = null;
  let timer = 0;

  const say = (text) => { if (state.textContent !== text) state.textContent = text; };

  // A part that has the keyboard focus is not replaced, so that what is typed or opened in it is not lost.
  const inUse = (part) => part.contains(document.activeElement) && document.activeElement !== part;

  const replace = (html) => {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    // A copy, because replacing an element removes it from the live list.
    for (const part of [...fresh.content.children]) {
      const old = part.id && document.getElementById(part.id);
      if (!old || inUse(old) || old.outerHTML === part.outerHTML) continue;
      for (const open of old.querySelectorAll("details[open][id]")) {
        part.querySelector("#" + CSS.escape(open.id))?.setAttribute("open", "");
      }
      const frames = [...old.querySelectorAll(".frame")].map((frame) => frame.scrollLeft);
      old.replaceWith(part);
      part.querySelectorAll(".frame").forEach((frame, at) => { frame.scrollLeft = frames[at] ?? 0; });
    }
  };

  const stop = (text) => {
    source?.close();
    source = null;
    clearTimeout(timer);
    timer = 0;
    say(text);
  };

  const start = () => {
    stop("connecting …");
    button.textContent = "Pause";
    source = new EventSource(main.dataset.live);
    source.onopen = () => say("live");
    source.addEventListener("parts", (event) => { say("live"); replace(event.data); });
    source.onerror = () => {
      say("connecting again …");
      // A browser reconnects by itself, but not after an error status.
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(start, again_ms);
    };
  };

  button.addEventListener("click", () => {
    if (source || timer) {
      stop("paused");
      button.textContent = "Go on";
    } else {
      start();
    }
  });
  document.getElementById("live").hidden = false;
  // A page that goes into the browser's cache must not hold a connection.
  window.addEventListener("pagehide", () => stop(""));
  window.addEventListener("pageshow", (event) => { if (event.persisted) start(); });
  start();
})();
