// Sends JSON and reads what comes back as server-sent events, which EventSource cannot do for a POST.
import { at } from "./address.js";

/** What the service answered in place of a stream: `problem` is its problem+json. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail ?? "The service answered with something that cannot be read.");
    this.problem = problem;
  }
}

/** The events of the answer, `{name, data}`, as they come. Throws Refused before the first one; ends when `signal` does. */
export async function* events(path, body, signal) {
  const response = await fetch(at(path), {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify(body),
    signal,
  });
  if (!response.ok) throw new Refused(await response.json().catch(() => ({ detail: `The service answered ${response.status}.` })));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = read(block);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** One block of lines; null for a comment, which is only a sign of life. */
export function read(block) {
  let name = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data.push(line.slice(6));
  }
  return data.length ? { name, data: JSON.parse(data.join("\n")) } : null;
}
