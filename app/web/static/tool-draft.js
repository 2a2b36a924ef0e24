// The tool as it stands in the form, unsaved: for checking and trying it. The service reads it as it reads a save.

/** The lines of a group, such as the headers: `{name, box}`. */
export function linesOf(group) {
  const part = group.dataset.lines;
  return [...group.querySelectorAll(".line")].map((box) => ({
    box,
    name: box.querySelector(`[name="${part}_name"]`).value.trim(),
  }));
}

/** What a save would send, and which tool it is. */
export function draftOf(form, toolId) {
  const fields = new URLSearchParams(new FormData(form));
  if (toolId) fields.set("tool_id", toolId);
  return fields;
}
