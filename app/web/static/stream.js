// Requests whose answer is a stream of server-sent events. EventSource can only GET, and cannot say what went wrong.
import { at } from "./address.js";

/** What the service said was wrong: its sentence, and a list of {field, message}. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail);
    this.code = problem.code;
    this.errors = problem.errors ?? [];
  }
}

/**
 * Sends `body` as JSON and calls `take(name, data)` for each event. Ends with the stream.
 * Throws Refused where the service refuses, Error where the connection breaks, AbortError where `signal` says so.
 */
export async function stream(path, body, take, signal) {
  const answer = await fetch(at(path), {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify(body),
    signal,
  });
  if (!answer.ok) {
    throw new Refused(await answer.json().catch(() => ({ detail: `The service answered with ${answer.status}.` })));
  }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) event(block, take);
  }
}

function event(block, take) {
  let name = "message", data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
  }
  if (data) take(name, JSON.parse(data));
}
