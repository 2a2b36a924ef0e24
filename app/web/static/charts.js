"use strict";
// Draws the table "The same as a table" as two charts, and fetches its numbers anew now and then.
(() => {
  const section = document.querySelector("[data-charts]");
  const rows = document.getElementById("chart-rows");
  if (!section || !rows || !window.uPlot) return;
  const address = new URL(section.dataset.charts, location.origin).href;
  const RENEW = 30000, HEIGHT = 200;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let charts = [];

  const colour = (name) => getComputedStyle(section).getPropertyValue(name).trim();
  const number = (text) => (text === "" ? null : Number(text));
  const column = (name) => [...rows.rows].map((row) => number(row.dataset[name]));
  const duration = (ms) => (ms == null ? "–" : ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`);
  const whole = (value) => (value == null ? "–" : value.toLocaleString());

  const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
  const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const when = (seconds) => {
    const at = new Date(seconds * 1000);
    return at.getHours() + at.getMinutes() === 0 ? day.format(at) : time.format(at);
  };

  const axes = (values, size) => {
    const line = { stroke: colour("--chart-grid"), width: 1 };
    const common = { stroke: colour("--chart-text"), font: "12px system-ui, sans-serif", grid: line, ticks: line };
    return [{ ...common, values: (_chart, splits) => splits.map(when) }, { ...common, size, values: (_chart, splits) => splits.map(values) }];
  };

  const bars = uPlot.paths.bars({ size: [0.8, 60] });
  const KINDS = {
    turns: () => ({
      data: [column("at"), column("turns"), column("errors").map((value) => value || null)],
      axes: axes((value) => (Number.isInteger(value) ? value.toLocaleString() : ""), 55),
      range: (_chart, _min, max) => [0, Math.max(5, max * 1.1)],
      series: [
        { label: "Turns", paths: bars, fill: colour("--chart-one-soft"), stroke: colour("--chart-one"), width: 1, points: { show: false }, value: (_chart, value) => whole(value) },
        { label: "Errors", paths: bars, fill: colour("--error"), stroke: colour("--error"), width: 1, points: { show: false }, value: (_chart, value) => whole(value) },
      ],
    }),
    latency: () => ({
      data: [column("at"), column("p50"), column("p95")],
      axes: axes((value) => duration(value), 65),
      range: (_chart, _min, max) => [0, Math.max(100, (max ?? 0) * 1.1)],
      series: [
        { label: "p50", stroke: colour("--chart-one"), width: 2, points: { size: 5 }, value: (_chart, value) => duration(value) },
        { label: "p95", stroke: colour("--chart-two"), width: 2, dash: [6, 4], points: { size: 5 }, value: (_chart, value) => duration(value) },
      ],
    }),
  };

  // The page is written for all time zones; here it is the reader's.
  const local = () => {
    for (const each of section.querySelectorAll("time")) each.textContent = moment.format(new Date(each.dateTime));
  };

  const draw = () => {
    local();
    for (const chart of charts) chart.destroy();
    charts = [...section.querySelectorAll("[data-chart]")].map((place) => {
      const { data, axes: two, range, series } = KINDS[place.dataset.chart]();
      const options = {
        width: place.clientWidth, height: HEIGHT, axes: two,
        series: [{ label: "From", value: (_chart, at) => (at == null ? "–" : moment.format(new Date(at * 1000))) }, ...series],
        scales: { y: { range } }, cursor: { y: false, drag: { x: false, y: false } },
      };
      return new uPlot(options, data, place);
    });
  };

  const renew = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(address, { headers: { "HX-Request": "true" } });
      if (!answer.ok) return; // the state above says what is wrong
      const incoming = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of incoming.querySelectorAll("[data-part]")) {
        document.getElementById(part.id)?.replaceChildren(...part.childNodes);
      }
    } catch {
      return; // the network; the page says so
    }
    draw();
  };

  draw();
  dark.addEventListener("change", draw);
  new ResizeObserver(() => {
    for (const chart of charts) chart.setSize({ width: chart.root.parentElement.clientWidth, height: HEIGHT });
  }).observe(section);
  setInterval(renew, RENEW);
  document.addEventListener("visibilitychange", renew);
})();
