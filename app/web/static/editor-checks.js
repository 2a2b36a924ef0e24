// What an editor checks while one types, and what it offers: JSON here, and whatever a page adds.
import { EditorView, StateEffect, jinjaCompletionSource, linter } from "./vendor/codemirror/codemirror.js";
import { parse } from "./json-text.js";

const PAUSE_MS = 400;
const MAX_LENGTH = 2_000_000; // characters; what is longer is checked when it is saved
const LONGEST_TAG = 2_000; // characters

const again = StateEffect.define();

/** Runs the checks of `view` anew: something outside its text decides about them. */
export function recheck(view) {
  view.dispatch({ effects: again.of(null) });
}

const rerun = (update) => update.docChanged || update.transactions.some((it) => it.effects.some((one) => one.is(again)));

/** A finding without a place, or with a place that is not there, is shown at the beginning. */
function placed(doc, { line, column = 1, length = 1, message, severity = "error" }) {
  const at = doc.line(Math.min(Math.max(Math.trunc(line) || 1, 1), doc.lines));
  const from = Math.min(at.from + Math.max((Math.trunc(column) || 1) - 1, 0), at.to);
  return { from, to: Math.min(from + Math.max(Math.trunc(length) || 1, 0), doc.length), severity, message };
}

/** What is wrong with a JSON text, in the form that checks give. Nothing at all is no mistake: the field may be empty. */
export function checkJson(text) {
  if (text.trim() === "") return [];
  try {
    parse(text);
    return [];
  } catch (error) {
    if (!(error instanceof Error) || error.line === undefined) throw error;
    return [{ line: error.line, column: error.column, message: `${error.message}.` }];
  }
}

/**
 * An extension that runs `check(text, signal)` after a pause in typing. It returns, or promises, findings: `line` and
 * `column` count from 1, `length` is in characters, `severity` is "error", "warning" or "info". A check that is still
 * under way when the text changes is aborted by its signal, and its answer is not used.
 */
export function checking(check, failed) {
  let running = new AbortController();
  const run = async (view) => {
    running.abort();
    running = new AbortController();
    const { signal } = running;
    const { doc } = view.state;
    if (doc.length > MAX_LENGTH) return [];
    try {
      const found = await check(doc.toString(), signal);
      failed(null);
      return found.map((one) => placed(doc, one));
    } catch (error) {
      if (!signal.aborted) failed(error);
      return [];
    }
  };
  return [
    linter(run, { delay: PAUSE_MS, needsRefresh: rerun }),
    EditorView.updateListener.of((update) => { if (rerun(update)) running.abort(); }),
  ];
}

/** Whether the cursor stands behind {{ or {% that is still open; the language's own completion does not ask. */
function insideTag({ state, pos }) {
  const marks = state.sliceDoc(Math.max(0, pos - LONGEST_TAG), pos).match(/\{[{%#]|[}%#]\}/g);
  return marks !== null && ["{{", "{%"].includes(marks.at(-1));
}

/** Completes names from `names()`, which returns or promises a list of `{label, detail, info}`: in Jinja inside of tags,
 * elsewhere on request (Ctrl-Space). */
export function completing(names, language) {
  return async (context) => {
    if (language === "jinja") {
      if (!insideTag(context) || !jinjaCompletionSource()(context)) return null;
      const options = (await names()).map((one) => ({ type: "variable", boost: 1, ...one }));
      return jinjaCompletionSource({ variables: options })(context);
    }
    const word = context.matchBefore(/[\w$.-]*/);
    if (!context.explicit) return null;
    return { from: word ? word.from : context.pos, options: await names(), validFor: /^[\w$.-]*$/ };
  };
}
