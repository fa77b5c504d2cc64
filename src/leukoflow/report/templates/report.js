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
// A folded part would be missing on paper.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
