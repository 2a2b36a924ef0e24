// Which words two texts share.

// More words than this take too long, and nobody listens to them.
const MOST = 600;

/**
 * Pieces of two texts in order: [kind, text], kind is "same", "old" or "new". Texts that have little in common come as
 * one "new": word by word they would be harder to read than beside each other.
 */
export function compareWords(before, after) {
  const old = before.match(/\S+\s*/g) ?? [], now = after.match(/\S+\s*/g) ?? [];
  if (before === after) return [["same", after]];
  if (old.length > MOST || now.length > MOST) return [["new", after]];
  // Lengths of the longest common subsequence of what is left of both.
  const width = now.length + 1, table = new Uint16Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      table[i * width + j] = old[i] === now[j]
        ? table[(i + 1) * width + j + 1] + 1
        : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    }
  }
  if (table[0] * 2 < Math.max(old.length, now.length)) return [["new", after]];
  const pieces = [];
  const add = (kind, text) => {
    const last = pieces.at(-1);
    if (last?.[0] === kind) last[1] += text;
    else pieces.push([kind, text]);
  };
  let i = 0, j = 0;
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) { add("same", now[j]); i += 1; j += 1; }
    else if (j >= now.length || (i < old.length && table[(i + 1) * width + j] >= table[i * width + j + 1])) { add("old", old[i]); i += 1; }
    else { add("new", now[j]); j += 1; }
  }
  return pieces;
}
