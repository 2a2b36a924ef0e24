// Two texts that the page shows one beside the other become a comparison.
import { compare } from "./editor-compare.js";

for (const place of document.querySelectorAll("[data-compare]")) {
  const [left, right] = [...place.querySelectorAll("[data-side]")].map((side) => side.textContent);
  const { leftLabel, rightLabel, language } = place.dataset;
  compare(place, left, right, { labels: [leftLabel, rightLabel], language });
}
