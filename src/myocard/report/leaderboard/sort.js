// Tables sort by the column whose heading is pressed: by number where cells begin with one.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const rising = heading.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const rows = [...body.rows].sort((one, other) => compare(cell(one), cell(other), rising));
      body.append(...rows);
    });
    const cell = (row) => row.cells[column].textContent;
  });
}

function compare(one, other, rising) {
  if (one === "–" || other === "–") return (one === "–") - (other === "–");
  const [a, b] = [one, other].map((text) => parseFloat(text.replace("−", "-").replace("< ", "")));
  const order = isNaN(a) || isNaN(b) ? one.localeCompare(other) : a - b;
  return rising ? order : -order;
}
