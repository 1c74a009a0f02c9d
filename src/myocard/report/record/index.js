// Sorting of the index by a column, told to screen readers by aria-sort and a status.
const body = document.querySelector("#index tbody");
const heads = [...document.querySelectorAll("#index thead th")];
const valueOf = (row, column) => Number(row.cells[column].dataset.value);

heads.forEach((head, column) => {
  head.querySelector("button").addEventListener("click", () => {
    const before = head.getAttribute("aria-sort");
    // Names first come in order, numbers with the highest first.
    const rising = before === null ? column === 0 : before === "descending";
    for (const each of heads) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const sign = rising ? 1 : -1;
    body.append(...[...body.rows].sort((a, b) => sign * (valueOf(a, column) - valueOf(b, column))));
    const order = column === 0 ? "in order of files" : rising ? "the lowest first" : "the highest first";
    document.querySelector("#sorted").textContent = `Sorted by ${head.textContent.trim()}, ${order}.`;
  });
});
