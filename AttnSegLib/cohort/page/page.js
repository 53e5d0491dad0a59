// Sorting and filtering of the table. Values are in data-value of the cells; text counts where there is none.
"use strict";
(() => {
  const table = document.querySelector("table");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const words = document.getElementById("words");
  const kind = document.getElementById("kind");
  const count = document.getElementById("count");
  const heads = Array.from(table.tHead.rows[0].cells);

  function fits(row) {
    if (kind.value === "failed") return row.classList.contains("failed");
    if (kind.value === "check") return Number(row.dataset.check) > 0;
    if (kind.value === "outlier") return row.querySelector(".outlier") !== null;
    return true;
  }

  function filter() {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, number) => {
      const isShown = wanted.every((word) => texts[number].includes(word)) && fits(row);
      row.hidden = !isShown;
      shown += isShown;
    });
    count.textContent = `${shown} of ${rows.length} rows`;
  }

  function value(row, column) {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent;
    const number = Number(text);
    return text !== "" && !Number.isNaN(number) ? number : text.toLowerCase();
  }

  function compare(a, b) { // what is empty comes last, in either direction
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), undefined, { numeric: true });
  }

  function sort(column) {
    const descends = heads[column].getAttribute("aria-sort") === "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", descends ? "descending" : "ascending");
    const sorted = rows.map((row) => [value(row, column), row]);
    sorted.sort(([a], [b]) => (a === "") - (b === "") || (descends ? compare(b, a) : compare(a, b)));
    body.append(...sorted.map(([, row]) => row));
  }

  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (button) button.addEventListener("click", () => sort(column));
  });
  words.addEventListener("input", filter);
  kind.addEventListener("change", filter);
  window.addEventListener("hashchange", () => { // a link to a row that is filtered away shows it
    const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (row && row.hidden) {
      words.value = "";
      kind.value = "all";
      filter();
      row.scrollIntoView();
    }
  });
  filter();
})();
