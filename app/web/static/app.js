"use strict";
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
