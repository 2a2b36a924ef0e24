// Calls as they happen, on the list and on the page of its own: from /api/calls/live.
//
// Events only change what is known; it is drawn a few times a second at most, and only so many rows of it, so that a
// thousand calls do not freeze the page.
import { at } from "./address.js";
import { showTimes } from "./times.js";

const DRAW_EVERY = 250; // milliseconds
const SAY_EVERY = 4000; // how often a screen reader is told
const WRITTEN_AFTER = 1200; // until the turn that ended is in the list
const MOST_RUNNING = 100;
const MOST_ENDED = 50;
const TRY_AGAIN = 5000;
const LONGEST = 160; // characters of a text

const running = new Map(); // turn id: what is known of the turn
let ended = []; // to be drawn, the oldest first
let endedInAll = 0;
let missed = 0;

function clip(text) {
  const line = (text ?? "").slice(0, LONGEST * 4).replace(/\s+/g, " ").trim();
  return line.length > LONGEST ? `${line.slice(0, LONGEST - 1)}…` : line;
}

const count = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
const duration = (ms) => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(2)} s`);

class View {
  constructor(root) {
    this.root = root;
    this.rows = new Map(); // turn id: its row
    this.part = (name) => root.querySelector(`[data-live-${name}]`);
    this.state = this.part("state");
    this.words = this.part("words");
    this.running = this.part("running");
    this.ended = this.part("ended");
    this.statuses = this.part("statuses").content;
    this.newer = document.querySelector("[data-live-newer]");
    this.running.querySelector("tbody").replaceChildren();
    this.said = this.part("said");
    this.saying = 0;
    this.announced = 0;
  }

  connection(level, word) {
    this.state.className = `state ${level}`;
    this.state.textContent = word;
    this.say();
  }

  draw() {
    const now = Date.now();
    const shown = [...running.values()].slice(0, MOST_RUNNING);
    const body = this.running.querySelector("tbody");
    const kept = new Set(shown.map((turn) => turn.turn_id));
    for (const [id, row] of this.rows) {
      if (kept.has(id)) continue;
      row.remove();
      this.rows.delete(id);
    }
    for (const turn of shown) {
      let row = this.rows.get(turn.turn_id);
      if (!row) {
        row = this.part("running-row").content.firstElementChild.cloneNode(true);
        row.dataset.turn = turn.turn_id;
        fill(row, { caller_number: turn.caller_number || "unknown", prompt: turn.prompt, caller_text: clip(turn.caller_text) });
        this.rows.set(turn.turn_id, row);
        body.append(row);
      }
      const seconds = Math.max(0, (now - Date.parse(turn.started_at)) / 1000);
      fill(row, { seconds: `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`, tools: turn.tools.join(", ") });
    }
    this.running.hidden = !shown.length;
    const more = this.part("more");
    more.hidden = running.size <= shown.length;
    more.textContent = `and ${count(running.size - shown.length, "more call", "more calls")}`;
    this.drawEnded();
    const words = [running.size ? `${count(running.size, "call", "calls")} now.` : "No call now."];
    if (missed) words.push(`This page was too slow for ${count(missed, "event", "events")}.`);
    if (this.words.textContent !== words.join(" ")) {
      this.words.textContent = words.join(" ");
      this.say();
    }
  }

  drawEnded() {
    if (this.ended && ended.length) {
      const body = this.ended.querySelector("tbody");
      for (const turn of ended) body.prepend(this.endedRow(turn));
      while (body.rows.length > MOST_ENDED) body.lastElementChild.remove();
      this.ended.hidden = false;
      this.part("none").hidden = true;
      showTimes(body);
    }
    ended = [];
    if (this.newer && endedInAll > this.announced) {
      const known = (this.announced = endedInAll);
      setTimeout(() => {
        this.newer.hidden = false;
        this.newer.firstElementChild.textContent = `${count(known, "turn", "turns")} ended since this list was loaded. Load it again.`;
      }, WRITTEN_AFTER);
    }
  }

  endedRow(turn) {
    const row = this.part("ended-row").content.firstElementChild.cloneNode(true);
    fill(row, {
      caller_number: turn.caller_number || "unknown",
      prompt: turn.prompt,
      caller_text: clip(turn.caller_text),
      answer_text: clip(turn.answer_text),
      latency: turn.latency_ms ? duration(turn.latency_ms) : "–",
    });
    const time = document.createElement("time");
    time.dateTime = turn.started_at;
    time.dataset.exact = "";
    const link = row.querySelector("[data-field=link]");
    if (this.root.dataset.live === "kept") {
      link.href = `/ui/calls/turns/${encodeURIComponent(turn.turn_id)}`;
      link.append(time);
    } else {
      link.remove();
      row.querySelector("[data-field=moment]").append(time);
    }
    const words = this.statuses.querySelector(`[data-status="${CSS.escape(turn.status)}"]`);
    const cell = row.querySelector("[data-field=status]");
    if (words) cell.append(...words.cloneNode(true).childNodes);
    else cell.textContent = turn.status;
    return row;
  }

  // Not each change: who listens to them all hears nothing else.
  say() {
    this.saying ||= setTimeout(() => {
      this.saying = 0;
      this.said.textContent = `${this.state.textContent}. ${this.words.textContent}`;
    }, SAY_EVERY);
  }
}

function fill(row, values) {
  for (const [name, value] of Object.entries(values)) {
    const cell = row.querySelector(`[data-field=${name}]`);
    if (cell && cell.textContent !== value) cell.textContent = value;
  }
}

const handlers = {
  now({ turns }) {
    running.clear();
    for (const turn of turns) running.set(turn.turn_id, turn);
  },
  turn_started(turn) {
    running.set(turn.turn_id, { ...turn, tools: [] });
  },
  tool_finished(tool) {
    running.get(tool.turn_id)?.tools.push(tool.name);
  },
  turn_ended(turn) {
    running.delete(turn.turn_id);
    endedInAll += 1;
    ended.push(turn);
    if (ended.length > MOST_ENDED) ended.shift();
  },
  missed({ events }) {
    missed += events;
  },
};

function watch(view) {
  let source = null;
  let drawing = 0;
  let ticking = 0;
  let again = 0;

  const draw = () => { drawing = 0; view.draw(); };
  const soon = () => { drawing ||= setTimeout(draw, DRAW_EVERY); };
  const open = () => {
    again = 0;
    source = new EventSource(at("/api/calls/live"));
    for (const [kind, handle] of Object.entries(handlers)) {
      source.addEventListener(kind, (event) => { handle(JSON.parse(event.data)); soon(); });
    }
    source.addEventListener("open", () => view.connection("ok", "Live"));
    source.addEventListener("error", () => {
      view.connection("error", "Connection lost: what you see is old. Trying again.");
      // The browser tries again by itself, unless the service refused.
      if (source.readyState === EventSource.CLOSED) again ||= setTimeout(open, TRY_AGAIN);
    });
    ticking ||= setInterval(() => { if (running.size) soon(); }, 1000);
  };
  const close = () => {
    source?.close();
    clearTimeout(again);
    clearInterval(ticking);
    source = null;
    ticking = 0;
    again = 0;
  };
  // A tab that nobody looks at must not hold one of the few connections that a browser has for a host.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else if (!source) open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted && !source) open(); });
  if (!document.hidden) open();
}

const root = document.querySelector("[data-live]");
if (root) watch(new View(root));
