// What a model says of one image, as elements.

import { h, number, percent, svg } from "./dom.js";
import { hue, outline, viewer } from "./viewer.js";

const FACTS = {
  area_um2: ["Area (µm²)", number],
  diameter_um: ["Diameter (µm)", number],
  nucleus_area_um2: ["Nucleus (µm²)", number],
  nucleus_share: ["Nucleus of cell", (value) => (value === null ? "–" : percent(value))],
  circularity: ["Roundness", number],
};
let made = 0;

function section(title, note, ...content) {
  made += 1;
  const id = `part-${made}`;
  return h("section", { class: "part", "aria-labelledby": id }, h("h3", { id }, title),
    note && h("p", { class: "note" }, note), ...content);
}

function table(caption, heads, rows) {
  return h("div", { class: "scroll", role: "region", "aria-label": caption, tabindex: 0 },
    h("table", {}, h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, rows)));
}

function shareBar(share, first) {
  return h("li", { class: first ? "first" : null },
    h("span", {}, share.name), h("span", { class: "value" }, percent(share.probability)),
    svg("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("rect", { class: "rail", width: 100, height: 6 }),
      svg("rect", { class: "share", width: 100 * share.probability, height: 6 })));
}

function verdict(result) {
  const shares = [...result.classes].sort((a, b) => b.probability - a.probability);
  return h("div", { class: `verdict ${result.abstains ? "warn" : "good"}` },
    h("p", { class: "headline" }, result.headline),
    result.abstains && h("ul", { class: "reasons" },
      result.reasons.map((each) => h("li", {}, each.text))),
    result.abstains && h("p", { class: "note" }, `Without these reasons it would have said ${result.label}.`),
    h("h3", {}, "Calibrated confidence"),
    h("ul", { class: "shares" }, shares.map((share) => shareBar(share, share.name === result.label))),
    h("h3", {}, "What cannot be ruled out"),
    h("p", {}, result.conformal.text));
}

// Where a value lies next to the range that is accepted; nothing if a limit is missing.
function rangeBar({ value, low, high }) {
  if (value === null || low === null || high === null) return null;
  const from = Math.min(low, value);
  const to = Math.max(high, value);
  const at = (each) => 4 + (92 * (each - from)) / (to - from || 1);
  return svg("svg", { class: "range-bar", viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "rail", y: 5, width: 100, height: 2 }),
    svg("rect", { class: "range", x: at(low), y: 3, width: Math.max(at(high) - at(low), 1), height: 6 }),
    svg("rect", { class: "point", x: at(value) - 1, width: 2, height: 12 }));
}

function limits({ low, high }) {
  if (low === null && high === null) return "any";
  if (low === null) return `up to ${number(high)}`;
  if (high === null) return `from ${number(low)}`;
  return `${number(low)} to ${number(high)}`;
}

function quality(result) {
  const novelty = { ...result.novelty, name: "novelty", low: result.novelty.limit === null ? null : 0, high: result.novelty.limit,
    meaning: "unlike the training images" };
  const measures = [...result.quality, novelty];
  const row = (each) => h("tr", { class: each.within ? null : "outside" },
    h("th", { scope: "row" }, each.meaning), h("td", { class: "number" }, number(each.value)),
    h("td", {}, rangeBar(each)), h("td", {}, limits(each)), h("td", {}, each.within ? "within" : "outside"));
  const out = measures.filter((each) => !each.within).length;
  const note = out ? `${out} of ${measures.length} measures lie outside the range of the training images.`
    : "Every measure lies within the range of the training images.";
  return section("Picture quality and familiarity", note,
    table("Each measure next to what the model was trained on",
      ["Measure", "Value", h("span", { class: "unseen" }, "Place in the range"), "Accepted", "Verdict"], measures.map(row)));
}

function neighbours(result) {
  if (!result.neighbours.length) return null;
  return section("Most similar training images", "Those whose features are nearest; 0 would be the same.",
    h("ul", { class: "neighbours" }, result.neighbours.map((each) => h("li", {},
      h("img", { src: each.thumbnail, alt: `Training image of class ${each.label}`, width: 96, height: 96 }),
      h("b", {}, each.label), h("span", { class: "note" }, `distance ${number(each.distance)}`)))));
}

// Features of networks that the classifier reads, by attention or else by effect.
function ranked(result) {
  if (!result.ranked.length) return null;
  const attends = result.ranked[0].attention !== null;
  const order = attends ? "The ten with the most attention. " : "The ten with the largest effect. ";
  const effect = `Effect: on the logit of ${result.label}, to first order (gradient times value).`;
  const cell = (value, show = number) => h("td", { class: "number" }, value === null ? "–" : show(value));
  const row = (each) => h("tr", {}, h("th", { scope: "row" }, each.name), cell(each.rank), cell(each.value),
    attends && cell(each.attention, (value) => `${number(100 * value)} %`), cell(each.effect));
  return section("Ranked features", `${order}${result.attention} ${effect}`,
    table("Ranked features by name", ["Feature", "Rank", "Value, scaled", attends && "Attention", "Effect"].filter(Boolean),
      result.ranked.map(row)));
}

// Channel gates or firing rates.
function inside(result) {
  if (!result.inside.length) return null;
  const row = (each) => h("tr", {}, h("th", { scope: "row" }, each.name),
    h("td", { class: "number" }, number(each.value)), h("td", {}, each.meaning));
  return section("Inside the network", null, table("Numbers of what goes on in the network", ["Part", "Value", "What it is"],
    result.inside.map(row)));
}

function mark(element, cell, on) {
  element.closest("article").querySelector(`g[data-cell="${cell}"]`)?.classList.toggle("marked", on);
}

// Differential count of the cells, of models of single cells.
function counts(result) {
  if (!result.counts?.length) return null;
  const row = (each) => h("tr", { class: hue(each.name, result).trim() }, h("th", { scope: "row" }, h("span", { class: "dot" }), each.name),
    h("td", { class: "number" }, each.cells), h("td", { class: "number" }, each.share === null ? "–" : percent(each.share)),
    h("td", {}, `${percent(each.low)} to ${percent(each.high)}`));
  const uncertain = result.cells.filter((cell) => cell.told === false).length;
  const note = "Shares are corrected for how often the model takes one type for another; limits (95 %) hold that and the number of cells."
    + (uncertain ? ` The type of ${uncertain} of ${result.cells.length} cells is not certain.` : "");
  return section("Differential count", note, table("White cells by type", ["Type", "Cells", "Share", "95 % limits"], result.counts.map(row)));
}

function cells(result, live) {
  if (!result.cells) return section("White cells", result.cellsProblem ?? (live ? "They are looked for …" : "They were not looked for."));
  if (!result.cells.length) return section("White cells", "None were found.");
  const columns = Object.keys(result.cells[0].facts).filter((name) => name !== "x" && name !== "y");
  const show = (name, value) => (FACTS[name]?.[1] ?? number)(value);
  const row = (cell) => {
    const on = (event) => mark(event.target, cell.number, true);
    const off = (event) => mark(event.target, cell.number, false);
    const events = { onmouseenter: on, onmouseleave: off, onfocusin: on, onfocusout: off };
    const label = live
      ? h("button", { type: "button", class: "plain", "aria-label": `Cell ${cell.number}: show its outline` }, cell.number)
      : String(cell.number);
    const typed = cell.type && [h("td", {}, cell.told ? cell.type : `${cell.type}, not certain (${cell.types.join(", ") || "unlike any"})`),
      h("td", { class: "number" }, percent(cell.probability))];
    return h("tr", live ? events : {}, h("th", { scope: "row" }, label), typed,
      columns.map((name) => h("td", { class: "number" }, show(name, cell.facts[name] ?? null))));
  };
  return section("White cells", `${result.cells.length} found.${live ? " Point at a row to find its cell in the picture." : ""}`,
    table(`${result.cells.length} white cells`, ["Cell", ...(result.cells[0].type ? ["Type", "Probability"] : []), ...columns.map((name) => FACTS[name]?.[0] ?? name.replaceAll("_", " "))],
      result.cells.map(row)));
}

function times(result) {
  const total = Object.values(result.milliseconds).reduce((sum, each) => sum + each, 0);
  return h("p", { class: "note" }, `Answered by ${result.model} in ${number(total)} ms.`);
}

// `live`: with switches, for the page; else still, for a report.
export function article(result, title, live) {
  return h("article", {}, h("h2", {}, title),
    h("div", { class: "front" }, verdict(result), viewer(result, live)),
    h("div", { class: "counts" }, counts(result)), quality(result), ranked(result), inside(result), neighbours(result),
    h("div", { class: "white-cells" }, cells(result, live)), times(result));
}

// What came after the rest into a live article: nothing else moves, and what has the focus keeps it.
export function addCells(element, result) {
  outline(element.querySelector(".viewer"), result);
  element.querySelector(".white-cells").replaceChildren(cells(result, true));
  element.querySelector(".counts").replaceChildren(...[counts(result)].filter(Boolean));
}
