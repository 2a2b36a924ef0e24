// The page of replays: sends what is chosen to /api/replay, and shows the turns as they come.
import { at } from "./address.js";
import { el } from "./elements.js";
import { events, Refused } from "./event-stream.js";
import { wayBack } from "./way-back.js";
import { compareWords } from "./words.js";

const form = document.getElementById("replay");
const [start, stop, progress, wrong, results] = ["button[type=submit]", "#stop", "#progress", "#wrong", "#results"].map(
  (selector) => document.querySelector(selector),
);
const { prompt, version } = form.elements;
const rows = document.getElementById("rows"), total = document.getElementById("total"), turns = document.getElementById("turns");
const draft = sessionStorage.getItem("asterisk-ai.draft");
// Versions in the list: more are found on the prompt's own page.
const VERSIONS = 100;
let running = null;

// -- what is asked for

async function offerVersions() {
  const option = prompt.selectedOptions[0];
  version.replaceChildren();
  version.disabled = !option.dataset.latest;
  if (version.disabled) {
    version.append(el("option", { value: "" }, prompt.value === "draft" ? "not saved yet" : "as published"));
    return;
  }
  const id = prompt.value, published = Number(option.dataset.published);
  version.append(el("option", { value: "" }, `newest (${option.dataset.latest})`));
  const answer = await fetch(at(`/api/prompts/${id}/versions?limit=${VERSIONS}`)).catch(() => null);
  if (!answer?.ok || prompt.value !== id) return;
  for (const each of (await answer.json()).items) {
    const words = `${each.number}${each.number === published ? ", published" : ""}${each.note ? `: ${each.note}` : ""}`;
    version.append(el("option", { value: each.number }, words.slice(0, 80)));
  }
}

function asked() {
  const chosen = new FormData(form);
  const body = {
    conversations: chosen.getAll("conversation").map(Number),
    model: chosen.get("model").trim() || null,
    tools_mode: chosen.get("tools_mode"),
    masked: chosen.has("masked"),
  };
  if (prompt.value === "draft") {
    // The draft's id tells the editor where it belongs; the service takes the fields alone.
    const { id: _id, ...fields } = JSON.parse(draft);
    body.prompt = { draft: fields };
  } else if (prompt.value) {
    body.prompt = { id: Number(prompt.value), version: version.value ? Number(version.value) : null };
  }
  return body;
}

// -- what comes

const count = (number) => number.toLocaleString("en");
const time = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);
const cost = (micros) => (micros === null ? "–" : (micros / 1e6).toFixed(5));
const tokens = (sums) => count(sums.input_tokens + sums.output_tokens);
const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

function state(level, words) {
  return el("span", { class: `state ${level}` }, words);
}

function cells(each) {
  const pair = (label, one, other) => [
    el("td", { class: "number", "data-label": `${label} then` }, one),
    el("td", { class: "number", "data-label": `${label} now` }, other),
  ];
  const { original: then, replayed: now } = each;
  const different = each.different ? state("warning", `${plural(each.different, "turn")}`) : state("ok", "none");
  const unrecorded = each.unrecorded ? ` (${plural(each.unrecorded, "tool call")} without a recorded result)` : "";
  return [
    el("td", { class: "number", "data-label": "Turns" }, count(each.turns)),
    el("td", { "data-label": "Different" }, different, unrecorded),
    ...pair("Answered", count(then.ok), count(now.ok)),
    ...pair("Time", time(then.latency_ms), time(now.latency_ms)),
    ...pair("Tokens", tokens(then), tokens(now)),
    ...pair("Cost", cost(then.cost_micros), cost(now.cost_micros)),
  ];
}

function section(id, words) {
  const found = document.getElementById(`conversation-${id}`);
  if (found) return found;
  const made = el("section", { id: `conversation-${id}`, "aria-label": `Conversation ${id}` },
    el("h3", {}, "Conversation ", el("a", { href: `/ui/calls/${id}` }, String(id)), words ?? ""));
  turns.append(made);
  return made;
}

function side(title, facts) {
  // As AI_PROMPT_VERSION has it: the name, a colon, and a number or "draft". Names have colons of their own.
  const which = facts.prompt_version.replace(/:(\d+)$/, ", version $1").replace(/:draft$/, ", draft");
  const label = [facts.model, which].filter(Boolean).join(" · ");
  const tools = facts.tools.map((tool) => el("details", {},
    el("summary", {}, "Called ", el("code", {}, tool.name), tool.ok ? "" : " ", tool.ok ? "" : state("error", "failed")),
    el("p", { class: "muted" }, "Asked for"), el("pre", { tabindex: "0" }, JSON.stringify(tool.arguments, null, 2)),
    el("p", { class: "muted" }, "Was told"), el("pre", { tabindex: "0" }, tool.result)));
  const asks = facts.action ? el("p", {}, "Asks the dialplan for ", el("code", {}, `${facts.action} ${facts.action_data}`.trim())) : null;
  const fields = Object.keys(facts.output).length ? el("pre", { tabindex: "0" }, JSON.stringify(facts.output, null, 2)) : null;
  const failed = facts.status === "OK" ? null : el("p", { class: "trouble" }, `${facts.status}${facts.detail ? `: ${facts.detail}` : ""}`);
  return el("div", {}, el("h5", {}, title), el("p", { class: "said" }, facts.answer || "(nothing)"), failed, asks, fields, tools,
    el("p", { class: "muted" }, `${label} · ${time(facts.latency_ms)} · ${plural(facts.input_tokens + facts.output_tokens, "token")}`));
}

function addTurn(turn) {
  const now = side("Now", turn.replayed);
  const pieces = compareWords(turn.original.answer, turn.replayed.answer);
  if (pieces.length > 1) {
    now.querySelector(".said").replaceChildren(
      ...pieces.map(([kind, text]) => (kind === "same" ? text : el(kind === "old" ? "del" : "ins", {}, text))),
    );
  }
  const [weighty, words] = [turn.differences.filter((each) => each.what !== "answer"), turn.differences.filter((each) => each.what === "answer")];
  section(turn.conversation).append(el("article", { class: turn.differs ? "turn differs" : "turn" },
    el("header", {},
      el("h4", {}, `Turn ${turn.number}: `, el("q", {}, turn.caller_text)),
      turn.differences.length
        ? el("ul", { class: "differences" },
          weighty.map((each) => el("li", {}, state("warning", each.summary))),
          words.map((each) => el("li", { class: "muted" }, each.summary)))
        : el("p", {}, state("ok", "The same"))),
    el("div", { class: "sides" }, side("Then", turn.original), now)));
}

function take(name, data) {
  if (name === "started") {
    for (const each of data.conversations) section(each.conversation, each.left_out ? ` (${plural(each.left_out, "turn")} left out: nobody spoke, or there are too many)` : "");
    running.expected = data.conversations.reduce((sum, each) => sum + each.turns, 0);
    progress.textContent = `0 of ${plural(running.expected, "turn")}`;
  } else if (name === "turn") {
    running.done += 1;
    progress.textContent = `${count(running.done)} of ${plural(running.expected, "turn")}`;
    addTurn(data);
  } else if (name === "conversation") {
    rows.append(el("tr", {}, el("th", { scope: "row" }, el("a", { href: `#conversation-${data.conversation}` }, String(data.conversation))), cells(data)));
  } else if (name === "conversation_failed") {
    rows.append(el("tr", {}, el("th", { scope: "row" }, String(data.conversation)), el("td", { colspan: "10" }, state("error", data.detail))));
  } else if (name === "done") {
    if (data.conversations > 1) total.append(el("tr", {}, el("th", { scope: "row" }, "All"), cells(data)));
    document.getElementById("summary").textContent = data.different
      ? `${plural(data.different, "turn")} of ${count(data.turns)} would be different in more than their words.`
      : `No turn of ${count(data.turns)} would be different in more than its words.`;
    progress.textContent = "Done.";
  } else if (name === "failed") {
    throw new Error(data.detail);
  }
}

// -- running

function say(error) {
  wrong.hidden = !error;
  if (!error) return;
  const fields = error instanceof Refused ? (error.problem.errors ?? []).map((each) => `${each.field}: ${each.message}`) : [];
  wrong.firstElementChild.replaceChildren(state("error", error.message), fields.length ? ` ${fields.join(" ")}` : "");
  wrong.focus();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (running) return;
  const body = asked();
  say(null);
  if (!body.conversations.length) {
    say(new Error("Tick the conversations to replay first."));
    return;
  }
  running = { controller: new AbortController(), expected: 0, done: 0 };
  start.setAttribute("aria-busy", "true");
  stop.hidden = false;
  for (const place of [rows, total, turns, document.getElementById("summary")]) place.replaceChildren();
  results.hidden = false;
  progress.textContent = "Beginning …";
  try {
    for await (const { name, data } of events("/api/replay", body, running.controller.signal)) take(name, data);
    if (progress.textContent !== "Done.") throw new Error("The service ended the replay before it was done. Try again.");
    document.getElementById("results-title").focus();
  } catch (error) {
    if (error.name === "AbortError") progress.textContent = `Stopped after ${plural(running.done, "turn")}.`;
    else {
      progress.textContent = "";
      if (!running.done) results.hidden = true;
      say(error instanceof TypeError ? new Error("The service does not answer. Is it running?") : error);
    }
  } finally {
    running = null;
    start.removeAttribute("aria-busy");
    stop.hidden = true;
  }
});
stop.addEventListener("click", () => running?.controller.abort());
document.getElementById("only").addEventListener("change", (event) => turns.classList.toggle("only-different", event.target.checked));
prompt.addEventListener("change", offerVersions);
if (draft) {
  const option = prompt.querySelector("option[value=draft]");
  option.hidden = false;
  option.textContent = `Unsaved draft: ${JSON.parse(draft).name || "without a name"}`;
  if (new URLSearchParams(location.search).has("draft")) {
    prompt.value = "draft";
    wayBack(document.getElementById("back"));
  }
}
offerVersions();
