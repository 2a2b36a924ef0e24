// The list of tools: a switch in it says what it did, also to who cannot see it.
const said = document.getElementById("said");
document.addEventListener("htmx:after:swap", () => {
  const row = document.querySelector("tr[data-said]");
  if (!row) return;
  said.textContent = row.dataset.said;
  delete row.dataset.said;
});
