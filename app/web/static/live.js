"use strict";
// Renews parts of a page: the element with data-live names an address of server-sent events, each of which brings parts
// of the page anew. What cannot be renewed says so: an old state must not look like the present one.
(() => {
  const place = document.querySelector("[data-live]");
  if (!place || !window.EventSource) return;
  // Not a relative address: in a page that was opened with a login in its address it would inherit that.
  const address = new URL(place.dataset.live, location.origin).href;
  const offline = document.getElementById("offline");
  // Milliseconds. The service sends something every two seconds.
  const SILENT = 9000, AGAIN = 10000;
  let source = null, silence = 0, again = 0;

  const say = (wrong) => { if (offline) offline.hidden = !wrong; };
  const heard = () => {
    say(false);
    clearTimeout(silence);
    silence = setTimeout(() => say(true), SILENT);
  };

  const renew = (text) => {
    const incoming = new DOMParser().parseFromString(text, "text/html");
    for (const part of incoming.querySelectorAll("[data-part]")) {
      const target = document.getElementById(part.id);
      // Morphed, so that what has the focus, is selected or is read stays where it is.
      if (target && target.innerHTML !== part.innerHTML) {
        htmx.swap({ target, sourceElement: target, swap: "innerMorph", text: part.innerHTML });
      }
    }
    document.dispatchEvent(new CustomEvent("renewed"));
  };

  const close = () => {
    clearTimeout(silence);
    clearTimeout(again);
    source?.close();
    source = null;
  };

  const open = () => {
    close();
    source = new EventSource(address);
    source.addEventListener("parts", (event) => { heard(); renew(event.data); });
    source.addEventListener("same", heard);
    source.addEventListener("trouble", () => say(true));
    source.addEventListener("error", () => {
      say(true);
      // The browser tries again by itself, but not after an answer that is no stream, such as "too many watch".
      if (source?.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN);
    });
    silence = setTimeout(() => say(true), SILENT);
  };

  // A page that nobody sees costs nothing. Browsers allow six connections to one server, for all its pages together.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  if (!document.hidden) open();
})();
