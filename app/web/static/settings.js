"use strict";
// Filters the settings while one types; without it, the form asks the server.
(() => {
  const form = document.getElementById("filter");
  const found = document.getElementById("found");
  // What the server left out already cannot be shown here.
  if (!form || new URLSearchParams(location.search).has("search")) return;
  const rows = [...document.querySelectorAll("tr[data-words]")];
  const filter = () => {
    const words = form.elements.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const changed = form.elements.changed.checked;
    let count = 0;
    for (const row of rows) {
      row.hidden = (changed && !("differs" in row.dataset)) || !words.every((word) => row.dataset.words.includes(word));
      count += row.hidden ? 0 : 1;
    }
    for (const group of document.querySelectorAll(".group")) group.hidden = !group.querySelector("tr[data-words]:not([hidden])");
    found.textContent = count === rows.length ? "" : `${count} of ${rows.length} settings`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => { event.preventDefault(); filter(); delete form.dataset.sent; });
  filter();
})();
