// One turn of a conversation: built as its events come.
import { el } from "./elements.js";

export const ms = (value) => (value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(2)} s`);
const count = (value) => value.toLocaleString("en");
const json = (value) => JSON.stringify(value, null, 2);

/** What a tool answered; JSON is set out in lines. */
function pretty(text) {
  try {
    return json(JSON.parse(text));
  } catch {
    return text;
  }
}

const block = (label, text) => [el("h4", {}, label), el("pre", { tabindex: "0", "aria-label": label }, text)];

export class Turn {
  /** `words`: what statuses and errors mean. */
  constructor(said, words) {
    this.words = words;
    this.tools = new Map();
    this.written = "";
    this.text = el("p", { class: "written" });
    this.label = el("p", { class: "who answer" }, "Answer");
    this.steps = el("div", { class: "tool-calls" });
    this.waits = el("p", { class: "muted waits" }, "The model is asked …");
    this.element = el(
      "article",
      { class: "play", "aria-busy": "true" },
      el("p", { class: "said" }, el("span", { class: "who" }, "Caller"), said),
      this.steps,
      this.label,
      this.text,
      this.waits,
    );
  }

  take({ name, data }) {
    this[`on_${name}`]?.(data);
  }

  on_started(data) {
    this.started = data;
    this.waits.textContent = `${data.model || "The model"} is asked …`;
  }

  on_text({ text }) {
    this.written += text;
    this.text.textContent = this.written;
    this.waits.hidden = true;
  }

  on_tool_started({ call_id, name, arguments: given }) {
    const state = el("span", { class: "muted" }, "is called …");
    const body = el("div", {}, block("Arguments", json(given)));
    const box = el("details", {}, el("summary", {}, el("code", {}, name), " ", state), body);
    this.tools.set(call_id, { state, body });
    this.steps.append(box);
  }

  /** A sentence that a voice would say now. */
  on_tool_slow({ call_id, text }) {
    const tool = this.tools.get(call_id);
    if (!tool) return;
    tool.state.textContent = "takes its time …";
    this.steps.append(el("p", { class: "asked" }, "While the caller waits, a voice would say: ", el("q", {}, text)));
  }

  on_tool_finished({ call_id, ok, result, error, elapsed_ms }) {
    const tool = this.tools.get(call_id);
    if (!tool) return;
    const waits = ok && error !== null;
    tool.state.className = waits ? "state warning" : ok ? "state ok" : "state error";
    tool.state.textContent = waits ? "waits for the caller's yes" : `${ok ? "answered" : "failed"} after ${ms(elapsed_ms)}`;
    if (error !== null) tool.body.append(el("p", {}, this.words.tool_errors[error] ?? `It failed: ${error}.`));
    tool.body.append(...block(ok && !waits ? "Result, as the model got it" : "What the model was told", pretty(result)));
  }

  on_action({ action, data }) {
    this.steps.append(el("p", { class: "asked" }, "Asks the dialplan to ", el("code", {}, `${action} ${data}`.trim())));
  }

  on_done(data) {
    this.end(data);
  }

  on_failed(data) {
    if (data.variables) this.end(data);
    else this.broken(data.detail);
  }

  end(data) {
    this.waits.remove();
    this.element.setAttribute("aria-busy", "false");
    const status = this.words.statuses[data.status] ?? { level: "warning", word: data.status };
    // A prompt with an output schema speaks only at the end; a failed turn with another voice than it began with.
    if (data.text && data.text !== this.written) this.text.textContent = data.text;
    this.silent(!data.text);
    if (data.status !== "OK") this.element.append(this.why(data));
    if (data.heard !== this.text.textContent || data.status !== "OK") {
      this.element.append(el("p", { class: "heard" }, el("span", { class: "who" }, "The caller hears"), data.heard));
    }
    const facts = [
      data.model,
      ms(data.latency_ms),
      data.first_text_ms === null ? "" : `first words after ${ms(data.first_text_ms)}`,
      `${count(data.input_tokens)} tokens in, ${count(data.output_tokens)} out`,
      data.cost_micros === null ? "" : `cost ${(data.cost_micros / 1e6).toLocaleString("en", { maximumFractionDigits: 6 })}`,
      data.turn ? `turn ${data.turn}` : "",
    ].filter(Boolean);
    this.element.append(
      el("p", { class: "figures" }, el("span", { class: `state ${status.level}` }, status.word), el("span", { class: "muted" }, facts.join(" · "))),
      this.variables(data.variables),
      this.times(data),
      this.told(),
    );
  }

  /** Without an answer nothing stands where it would. */
  silent(nothing) {
    if (!nothing || this.written) return;
    this.text.remove();
    this.label.remove();
  }

  /** The turn never came to an end of its own. */
  broken(sentence) {
    this.silent(true);
    this.waits.remove();
    this.element.setAttribute("aria-busy", "false");
    this.element.append(el("div", { class: "banner error" }, el("p", {}, el("span", { class: "state error" }, "No answer. "), sentence)));
  }

  stopped() {
    this.silent(true);
    this.waits.remove();
    this.element.setAttribute("aria-busy", "false");
    this.element.append(el("p", { class: "figures" }, el("span", { class: "state off" }, "Stopped"), el("span", { class: "muted" }, "This turn is not remembered.")));
  }

  why(data) {
    const words = this.words.errors[data.error];
    return el(
      "div",
      { class: "banner error" },
      el("p", {}, el("span", { class: "state error" }, words?.meaning ?? "The turn failed."), " ", el("code", {}, data.error)),
      data.detail ? el("p", {}, data.detail) : null,
      words?.advice ? el("p", { class: "muted" }, words.advice) : null,
    );
  }

  variables(all) {
    const shown = Object.entries(all).sort(([one], [other]) => (one === "AI_STATUS" ? -1 : other === "AI_STATUS" ? 1 : 0));
    return el(
      "details",
      {},
      el("summary", {}, `What the dialplan gets: ${shown.length} variables`),
      el(
        "div",
        { class: "wide", tabindex: "0", role: "region", "aria-label": "Variables" },
        el(
          "table",
          { class: "values" },
          el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Variable"), el("th", { scope: "col" }, "Value"))),
          el("tbody", {}, shown.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, el("code", {}, name)), el("td", {}, value || el("span", { class: "muted" }, "empty"))))),
        ),
      ),
    );
  }

  times(data) {
    const step = { count: 0 };
    const rows = data.spans.filter((span) => span.part !== "model" || !data.steps.length).map((span) => this.row(span, data, step));
    return el(
      "details",
      {},
      el("summary", {}, "Where the time went"),
      el(
        "div",
        { class: "wide", tabindex: "0", role: "region", "aria-label": "Times" },
        el(
          "table",
          { class: "values times" },
          el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Part"), el("th", { scope: "col", class: "number" }, "Begins"), el("th", { scope: "col", class: "number" }, "Takes"), el("th", { scope: "col" }, el("span", { class: "offscreen" }, "Drawn")))),
          el("tbody", {}, rows),
        ),
      ),
    );
  }

  row(span, data, step) {
    const names = { load: "Memory: recall", save: "Memory: keep" };
    let label = { memory: names[span.name] ?? "Memory", model: span.name, first_text: "Until the first words", tool: `Tool ${span.name}`, action: `Action ${span.name}`, confirmation: `Tool ${span.name}: waits for the caller's yes`, filler: `Filler sentence of ${span.name}` }[span.part] ?? span.part;
    if (span.part === "step") {
      const usage = data.steps[step.count];
      step.count += 1;
      label = `Model, message ${step.count}: ${count(usage.input_tokens)} tokens in, ${count(usage.output_tokens)} out`;
    }
    const total = Math.max(data.latency_ms, 1);
    const bar = el("span", { class: `bar ${span.part}` });
    bar.style.insetInlineStart = `${Math.min(99, (span.start_ms / total) * 100)}%`;
    bar.style.inlineSize = `${Math.max(1, Math.min(100 - (span.start_ms / total) * 100, (span.elapsed_ms / total) * 100))}%`;
    return el("tr", {}, el("th", { scope: "row" }, label), el("td", { class: "number" }, ms(span.start_ms)), el("td", { class: "number" }, ms(span.elapsed_ms)), el("td", { class: "drawn" }, el("span", { class: "track", "aria-hidden": "true" }, bar)));
  }

  told() {
    if (!this.started) return null;
    const { instructions, tools, timeout, prompt, version } = this.started;
    return el(
      "details",
      {},
      el("summary", {}, "What the model was told"),
      el("p", { class: "muted" }, `${prompt}, ${version === null ? "unsaved draft" : `version ${version}`}; ${tools.length ? `tools: ${tools.join(", ")}` : "no tools"}; deadline ${timeout} s.`),
      el("pre", { tabindex: "0", "aria-label": "Instructions" }, instructions),
    );
  }
}
