// Sort a table by a column: first click falling for numbers and rising for names, second the other way, third as it was.
// The rows of a long table lie in two tables, the second one folded; they are sorted as one.
const key = (row, column) => {
  const cell = row.cells[column];
  return "key" in cell.dataset ? Number(cell.dataset.key) : cell.textContent.trim();
};
// Very many folded rows come as text, so that the page opens fast; here they become rows.
const parse = (within) => {
  for (const each of within.querySelectorAll("noscript")) each.outerHTML = each.textContent;
};
document.addEventListener("toggle", (event) => {
  if (event.target.matches(".rest") && event.target.open) parse(event.target);
}, true);
const originals = new WeakMap();
const sort = (whole, head) => {
  parse(whole);
  const tables = [...whole.querySelectorAll("table.sortable")], column = head.cellIndex;
  const sizes = tables.map((table) => table.tBodies[0].rows.length);
  if (!originals.has(whole)) originals.set(whole, tables.flatMap((table) => [...table.tBodies[0].rows]));
  const first = head.classList.contains("number") ? "descending" : "ascending";
  const second = first === "ascending" ? "descending" : "ascending";
  const state = head.ariaSort === first ? second : head.ariaSort === second ? "none" : first;
  const order = (a, b) => {
    const x = key(a, column), y = key(b, column), numbers = [x, y].filter((each) => typeof each === "number").length;
    if (numbers === 1) return typeof x === "number" ? -1 : 1; // cells without a number stay at the end
    const difference = numbers === 2 ? x - y : x.localeCompare(y, undefined, { numeric: true });
    return state === "ascending" ? difference : -difference;
  };
  const rows = state === "none" ? [...originals.get(whole)] : [...originals.get(whole)].sort(order);
  tables.forEach((table, place) => {
    [...table.tHead.rows[0].cells].forEach((each, index) => { each.ariaSort = index === column ? state : "none"; });
    table.tBodies[0].append(...rows.splice(0, sizes[place]));
  });
};
// All rows of a long table: the folded ones join the others.
const unfold = (whole, rest) => {
  parse(whole);
  const [top, below] = whole.querySelectorAll("table.sortable");
  top.tBodies[0].append(...below.tBodies[0].rows);
  rest.remove();
  top.parentElement.focus({ preventScroll: true });
};
// Save a table as it is shown: numbers as they are, texts in quotes.
const save = (whole) => {
  parse(whole);
  const quoted = (text) => `"${text.trim().replace(/\s+/g, " ").replaceAll('"', '""')}"`;
  const tables = [...whole.querySelectorAll("table.sortable")];
  const rows = [tables[0].tHead.rows[0], ...tables.flatMap((table) => [...table.tBodies[0].rows])];
  const lines = rows.map((row) => [...row.cells].map((cell) => quoted(cell.textContent)).join(","));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff" + lines.join("\r\n")], { type: "text/csv" }));
  link.download = "table.csv";
  link.click();
  URL.revokeObjectURL(link.href);
};
const button = (text, className, action) => {
  const made = Object.assign(document.createElement("button"), { type: "button", className, textContent: text });
  if (action) made.addEventListener("click", action);
  return made;
};
for (const caption of document.querySelectorAll("caption:not(.unseen) > .caption")) {
  if (caption.closest(".table")) caption.append(button("Save as CSV", "save"));
}
document.addEventListener("click", (event) => {
  const whole = event.target.closest(".table");
  if (!whole) return;
  const head = event.target.closest("th"), rest = event.target.closest(".rest > summary");
  if (head && event.target.closest("button")) sort(whole, head);
  else if (rest) { event.preventDefault(); unfold(whole, rest.parentElement); }
  else if (event.target.closest(".save")) save(whole);
});
// A link to a section opens it. Browsers of today do this by themselves for a target within details.
const subjects = [...document.querySelectorAll("details.subject")];
const target = () => document.getElementById(decodeURIComponent(location.hash.slice(1)));
const reveal = () => {
  const place = location.hash && target();
  if (!place) return;
  for (let each = place.closest("details"); each; each = each.parentElement.closest("details")) each.open = true;
  const subject = place.closest("details.subject");
  (subject?.querySelector("section") === place ? subject : place).scrollIntoView(); // with its title
};
addEventListener("hashchange", reveal);
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (link && link.hash === location.hash) reveal(); // no change of address, so no event
});
// The address names the section that was opened last, so that it can be passed on.
for (const subject of subjects) {
  subject.firstElementChild.addEventListener("click", () => {
    if (!subject.open) history.replaceState(null, "", `#${subject.querySelector("section").id}`);
  });
}
// Contents: folded on a narrow screen, where they lie over the page, and marked where the reader is.
const contents = document.querySelector("nav details"), narrow = matchMedia("(max-width: 64rem)");
const fold = () => { contents.open = !narrow.matches; };
narrow.addEventListener("change", fold);
fold();
contents.addEventListener("click", (event) => { if (event.target.closest("a")) fold(); });
const links = [...contents.querySelectorAll("a")];
const places = links.map((link) => {
  const section = document.getElementById(link.hash.slice(1));
  return section.closest("details.subject") ?? section;
});
let waiting = false;
const mark = () => {
  waiting = false;
  const passed = places.filter((place) => place.getBoundingClientRect().top < innerHeight / 3);
  const here = passed.length ? places.indexOf(passed.at(-1)) : 0;
  links.forEach((link, index) => {
    if (index === here) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
  });
};
addEventListener("scroll", () => { if (!waiting) { waiting = true; requestAnimationFrame(mark); } }, { passive: true });
mark();
// Everything at once, for reading through and for paper. What was closed before printing is closed after it.
const every = () => [...document.querySelectorAll("main details")];
let opened = [];
const openAll = () => {
  parse(document);
  opened = every().filter((each) => !each.open);
  opened.forEach((each) => { each.open = true; });
  document.querySelectorAll("img[loading]").forEach((each) => { each.loading = "eager"; });
};
addEventListener("beforeprint", openAll);
addEventListener("afterprint", () => { opened.forEach((each) => { each.open = false; }); opened = []; });
const tools = Object.assign(document.createElement("div"), { className: "tools" });
tools.append(
  button("Open all sections", "", () => subjects.forEach((each) => { each.open = true; })),
  button("Close all sections", "", () => subjects.forEach((each) => { each.open = false; })),
  button("Print all", "", () => print()),
);
contents.append(tools);
reveal();
