// Times in the zone of the browser. The server writes UTC, which is what is shown without this script, and said.

const local = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" }); // 2026-11-22 13:05:09
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "your time zone";

// Every <time> gets the local time on pointing at it; one with data-exact shows it.
export function showTimes(root = document) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    const written = local.format(moment);
    element.title = `${written} (${zone})`;
    if ("exact" in element.dataset) element.textContent = written;
  }
  for (const element of root.querySelectorAll("[data-zone]")) element.textContent = zone;
}

// Fields for a point in time: the server's value is UTC, people type local time, and what is sent is UTC again.
function localFields() {
  for (const field of document.querySelectorAll("input[type=datetime-local][data-utc]")) {
    const moment = new Date(`${field.defaultValue}Z`);
    if (!Number.isNaN(moment.getTime())) field.value = local.format(moment).slice(0, 16).replace(" ", "T");
    field.form.addEventListener("formdata", (event) => {
      const typed = new Date(field.value);
      if (!Number.isNaN(typed.getTime())) event.formData.set(field.name, typed.toISOString().slice(0, 16));
    });
  }
  // "Today" begins at another moment in each zone: minutes east of UTC tell the server when.
  for (const link of document.querySelectorAll("a[data-offset]")) {
    const address = new URL(link.href);
    address.searchParams.set("offset", String(-new Date().getTimezoneOffset()));
    link.href = address.href;
  }
}

showTimes();
localFields();
document.addEventListener("htmx:after:swap", () => showTimes());
