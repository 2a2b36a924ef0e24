// From where a draft is tried back to the editor that it came from, which has kept all that was typed.

/** Shows the paragraph around `link`, when that editor is the page before. */
export function wayBack(link) {
  if (!document.referrer) return;
  const from = new URL(document.referrer);
  if (from.origin !== location.origin || !from.pathname.startsWith("/ui/prompts/")) return;
  link.href = from.href;
  link.closest("p").hidden = false;
}
