// Sort a table by a column: first click falling for numbers and rising for names, second the other way, third as it was.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], original = [...body.rows], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const first = head.classList.contains("number") ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    const state = head.ariaSort === first ? second : head.ariaSort === second ? "none" : first;
    heads.forEach((each) => { each.ariaSort = "none"; });
    head.ariaSort = state;
    const key = (row) => {
      const cell = row.cells[column];
      return "key" in cell.dataset ? Number(cell.dataset.key) : cell.textContent.trim();
    };
    const rank = (a, b) => {
      const x = key(a), y = key(b), numbers = [typeof x, typeof y].filter((each) => each === "number").length;
      if (numbers === 1) return typeof x === "number" ? -1 : 1; // cells without a number stay at the end
      const order = numbers === 2 ? x - y : x.localeCompare(y, undefined, { numeric: true });
      return state === "ascending" ? order : -order;
    };
    body.append(...(state === "none" ? original : [...original].sort(rank)));
  }));
}
// Save a table as it is shown: numbers as they are, texts in quotes.
for (const table of document.querySelectorAll("table.sortable")) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "save", textContent: "Save as CSV" });
  button.addEventListener("click", () => {
    const quoted = (text) => `"${text.trim().replace(/\s+/g, " ").replaceAll('"', '""')}"`;
    const lines = [...table.rows].map((row) => [...row.cells].map((cell) => quoted(cell.textContent)).join(","));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff" + lines.join("\r\n")], { type: "text/csv" }));
    link.download = "table.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  table.caption.firstElementChild.append(button);
}
// Contents: folded on a narrow screen, where they lie over the page, and marked where the reader is.
const contents = document.querySelector("nav details"), narrow = matchMedia("(max-width: 64rem)");
const fold = () => { contents.open = !narrow.matches; };
narrow.addEventListener("change", fold);
fold();
contents.addEventListener("click", (event) => { if (event.target.closest("a")) fold(); });
const links = [...contents.querySelectorAll("a")];
const places = links.map((link) => document.getElementById(link.hash.slice(1)));
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
// A folded part would be missing on paper.
addEventListener("beforeprint", () => document.querySelectorAll("main details").forEach((each) => { each.open = true; }));
