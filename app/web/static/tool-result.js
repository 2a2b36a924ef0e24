// What came of trying a tool: what was sent, what came back, and what the model would be told.
import { el } from "./elements.js";
import { format, parse } from "./json-text.js";

function pretty(text) {
  try {
    return format(parse(text));
  } catch {
    return text;
  }
}

const block = (text, label) => el("pre", { tabindex: "0", "aria-label": label }, text);

function headers(found) {
  const entries = Object.entries(found);
  return el("details", {}, el("summary", {}, `Headers (${entries.length})`),
    el("dl", { class: "facts" }, entries.map(([name, value]) => [el("dt", {}, name), el("dd", {}, el("code", {}, value))])));
}

function section(title, ...content) {
  return el("section", {}, el("h3", {}, title), ...content);
}

function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function banner(words) {
  return el("div", { class: "banner error" }, el("p", {}, el("span", { class: "state error" }, words)));
}

/** Nothing was run, in one sentence. */
export function showFailure(panel, words) {
  panel.result.replaceChildren(banner(words));
  panel.status.className = "offscreen"; // the banner is there to be seen
  panel.status.textContent = words;
}

/** The service refused to run it: what is wrong, field by field. */
export function showProblem(panel, problem) {
  const items = (problem.errors ?? []).map(({ field, message }) => el("li", {}, el("code", {}, field.replace(/^tool\./, "")), `: ${message}`));
  showFailure(panel, "Not sent: the tool is not ready yet.");
  panel.result.firstElementChild.append(items.length ? el("ul", {}, items) : el("p", {}, problem.detail ?? ""));
}

const received = (response) => [
  headers(response.headers),
  response.body === "" ? el("p", { class: "muted" }, "Without a body.") : block(pretty(response.body), "Body of the response"),
  response.truncated ? el("p", { class: "muted" }, "There was more; this is the beginning.") : null,
];

const sent = (request) => [
  block(`${request.method} ${request.url}`, "The request"), headers(request.headers),
  request.body ? block(pretty(request.body), "Body of the request") : null,
];

/** Repeats and redirects; what came of the last one is shown above. */
function tries(attempts) {
  const items = attempts.map(({ request, response }, index) => el("li", {},
    el("code", {}, `${request.method} ${request.url}`), ` — ${response ? `HTTP ${response.status}` : "no response"}`,
    response && response.body !== "" && index < attempts.length - 1 ? el("details", {}, el("summary", {}, "What came back"), block(pretty(response.body), "Body of the response")) : null));
  return section(`Sent ${attempts.length} times`, el("p", { class: "muted" }, "Repeats and redirects, in order. Above is the last."), el("ol", {}, items));
}

/** It was run. */
export function showResult(panel, { attempts, request, response, elapsed_ms: elapsed, for_model: words, note, error }) {
  const called = panel.form.elements["request.kind"].value !== "http";
  const status = response ? `HTTP ${response.status}` : "No response";
  const line = `${request ? status : called && !error ? "It answered" : called ? "It failed" : "Nothing was sent"}, after ${duration(elapsed)}.`;
  panel.status.textContent = line;
  panel.status.className = `try-status state ${error ? "error" : "ok"}`;
  const parts = [];
  if (error) parts.push(banner(error.detail));
  if (note) parts.push(el("div", { class: "banner warning" }, el("p", {}, el("span", { class: "state warning" }, note))));
  parts.push(section("What the model would be told", block(words, "What the model would be told")));
  if (response) parts.push(section("What came back", ...received(response)));
  if (request) parts.push(section("What was sent", ...sent(request)));
  if (attempts.length > 1) parts.push(tries(attempts));
  panel.result.replaceChildren(...parts);
}
