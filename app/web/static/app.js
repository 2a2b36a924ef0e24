"use strict";
// What all pages share. Everything works without it; it only makes things more pleasant.

// A page that was opened as http://name:password@host/ must not ask for relative addresses: they would inherit the
// login, which fetch() refuses. The browser sends the login by itself to the same origin.
document.addEventListener("htmx:before:request", (event) => {
  const request = event.detail.ctx.request;
  request.action = new URL(request.action, location.origin).href;
});

// Says so when a page that renews itself cannot: an old state must not look like the present one.
(() => {
  const banner = document.getElementById("offline");
  if (!banner) return;
  const show = (wrong) => { banner.hidden = !wrong; };
  document.addEventListener("htmx:error", () => show(true));
  document.addEventListener("htmx:after:request", (event) => {
    const response = event.detail?.ctx?.response;
    if (response) show(response.status >= 400);
  });
})();

// Buttons that copy. The clipboard's own interface is there only over HTTPS, and many of these pages are not.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const text = button.dataset.copy;
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.setAttribute("readonly", "");
    area.className = "offscreen";
    document.body.append(area);
    area.select();
    copied = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  const label = button.dataset.label ??= button.textContent;
  button.textContent = copied ? "Copied" : "Select and copy it by hand";
  setTimeout(() => { button.textContent = label; }, 2000);
});

// Where a form came back with errors, the summary is read and reached first.
document.querySelector("[data-focus]")?.focus();

// A form that was sent is not sent twice by a second press. After some seconds it is: somebody may have stopped it.
const PRESSED_ONCE_MS = 5000;
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  const now = Date.now();
  if (now - Number(event.target.dataset.sent ?? 0) < PRESSED_ONCE_MS) event.preventDefault();
  else event.target.dataset.sent = String(now);
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
