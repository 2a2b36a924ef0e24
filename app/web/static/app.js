// Says so when a page that renews itself cannot: an old state must not look like the present one.
"use strict";
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
