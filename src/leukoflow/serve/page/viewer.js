// The image with what was found laid over it.

import { h, svg } from "./dom.js";

const AT_FIRST = 0.4;

const points = (outline) => outline.map(([x, y]) => `${x},${y}`).join(" ");

// Class of a type's colour, the same in the picture and in tables; of models of whole pictures none.
export function hue(type, result) {
  const at = result.classes.findIndex((each) => each.name === type);
  return at < 0 ? "" : ` type-${at % 8}`;
}

function cellMarks(cell, size, result) {
  const middle = cell.outline.reduce(([x, y], [u, v]) => [x + u, y + v], [0, 0]).map((sum) => sum / cell.outline.length);
  return svg(
    "g",
    { class: `cell${hue(cell.type, result)}${cell.told === false ? " untold" : ""}`, "data-cell": cell.number },
    svg("polygon", { class: "halo", points: points(cell.outline) }),
    svg("polygon", { class: "outline", points: points(cell.outline) }),
    cell.nucleus.length ? svg("polygon", { class: "nucleus", points: points(cell.nucleus) }) : null,
    svg("text", { x: middle[0], y: middle[1], "font-size": size, dy: size / 3, "stroke-width": size / 5 }, String(cell.number)),
  );
}

const marks = (result) =>
  (result.cells ?? []).map((cell) => cellMarks(cell, Math.max(result.width, result.height) / 26, result));

function picture(result, layers, label) {
  const { width, height } = result;
  const place = { width, height, preserveAspectRatio: "none" };
  const heat = layers.map ? svg("image", { ...place, class: "heat", href: layers.map.heat }) : null;
  const cells = layers.cells ? svg("g", { class: "cells" }, marks(result)) : null;
  heat?.setAttribute("opacity", AT_FIRST);
  return svg(
    "svg",
    { class: "field", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    svg("image", { ...place, href: result.picture }),
    heat,
    cells,
  );
}

function described(result) {
  const size = `The image, ${result.width} by ${result.height} pixels`;
  if (!result.cells) return size;
  const count = result.cells.length;
  return `${size}, ${count === 1 ? "1 white cell" : `${count || "no"} white cells`} outlined`;
}

function legend(result) {
  if (!result.cells) return result.cellsProblem ?? "White cells are looked for …";
  if (!result.cells.length) return "No white cells were found.";
  const swatch = (kind) => svg("svg", { class: "swatch", viewBox: "0 0 20 10", "aria-hidden": "true" },
    svg("line", { class: kind, x1: 0, y1: 5, x2: 20, y2: 5 }));
  const types = [...new Set(result.cells.map((cell) => cell.type).filter(Boolean))];
  const named = types.map((type) => h("span", { class: `legend${hue(type, result)}` }, swatch("outline"), ` ${type} `));
  const start = types.length ? named : [swatch("outline"), " white cell "];
  const untold = result.cells.some((cell) => cell.told === false) ? " dashed: type not certain" : "";
  return [...start, swatch("nucleus"), " nucleus", untold];
}

// The cells of a result into its viewer, which stays as it is otherwise.
export function outline(figure, result) {
  figure.querySelector(".cells").replaceChildren(...marks(result));
  figure.querySelector(".field").setAttribute("aria-label", described(result));
  figure.querySelector("figcaption").replaceChildren(...[legend(result)].flat());
}

// With switches for a page, or as still pictures for a report: the cells, then each map by its name.
export function viewer(result, live) {
  if (!live) {
    return h("div", { class: "stills" },
      h("figure", {}, picture(result, { cells: true }, described(result)), h("figcaption", {}, legend(result))),
      result.maps.map((map) => h("figure", {}, picture(result, { map }, `The image under the map ${map.title}`),
        h("figcaption", {}, h("b", {}, map.title), `. Bright where it is highest. ${map.text}`))));
  }
  const [first] = result.maps;
  const shown = picture(result, { cells: true, map: first }, described(result));
  const cells = shown.querySelector(".cells");
  const heat = shown.querySelector(".heat");
  const output = h("output", { for: "heat" }, `${100 * AT_FIRST}\u00a0%`);
  const slide = (event) => {
    heat.setAttribute("opacity", event.target.value / 100);
    output.textContent = `${event.target.value}\u00a0%`;
  };
  const text = h("p", { class: "note", id: "map-text", role: "status" }, first?.text);
  const change = (event) => {
    const map = result.maps.find((each) => each.name === event.target.value);
    heat.setAttribute("href", map.heat);
    text.textContent = map.text;
  };
  const named = result.maps.length > 1
    ? h("span", { class: "choice" }, h("label", { for: "map" }, "Map"), h("select", { id: "map", onchange: change },
      result.maps.map((each) => h("option", { value: each.name }, each.title))))
    : h("span", {}, first?.title);
  const toggle = (event) => cells.classList.toggle("hidden", !event.target.checked);
  return h("figure", { class: "viewer" }, shown,
    h("figcaption", {}, legend(result)),
    h("div", { class: "switches" },
      h("label", {}, h("input", { type: "checkbox", checked: true, id: "cells", onchange: toggle }), " Outlines"),
      heat && named,
      heat && h("label", { for: "heat" }, "Where the model looked"),
      heat && h("input", { type: "range", id: "heat", min: 0, max: 100, step: 5, value: 100 * AT_FIRST, oninput: slide }),
      heat && output),
    heat && text);
}
